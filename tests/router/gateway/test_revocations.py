"""Access that ends before its token does: at once, everywhere, for streams too, and still after a restart (threat 18)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import anyio
import msgspec
import orjson
import pytest
from nats.aio.client import Client

from mewayz.servers.nats import GATEWAY, gateway_user
from mewayz.servers.streams import connect as connect_admin
from router.errors import ModuleUnavailable
from router.gateway.access.revocations import Revocations
from router.gateway.settings import Settings
from shared.clock import SystemClock, new_id
from shared.wire.principal import Principal
from shared.wire.revocation import REVOKED_EVENT, Revocation
from tests.router.gateway.test_subscriptions import INIT, Raw
from tests.router.gateway.world import OTHER_TENANT, TENANT, USER, World, until, world
from tests.services import NatsServer
from tests.waiting import PATIENCE_S, jetstream

pytestmark = pytest.mark.anyio
SESSION = UUID("0190a0e4-0000-7000-8000-00000000005e")
OTHER_SESSION = UUID("0190a0e4-0000-7000-8000-00000000005f")


def revoked(subject: UUID, *, is_final: bool = True, tenant: UUID = TENANT) -> Revocation:
    return Revocation(tenant_id=tenant, subject_id=subject, is_final=is_final, at=SystemClock().now())


async def publish(admin: Client, one: Revocation) -> None:
    """Publish what identity would, over JetStream."""
    number = new_id(one.at)
    message = {
        "specversion": "1.0",
        "id": str(number),
        "source": "/identity",
        "type": REVOKED_EVENT,
        "subject": str(one.subject_id),
        "time": one.at.isoformat(),
        "tenantid": str(one.tenant_id),
        "aggregatetype": "Access",
        "sequence": 1,
        "schemaversion": 1,
        "correlationid": str(number),
        "data": {"subjectId": str(one.subject_id), "isFinal": one.is_final, "at": one.at.isoformat()},
    }
    await jetstream(admin).publish(f"evt.{one.tenant_id}.{REVOKED_EVENT}", orjson.dumps(message))


@asynccontextmanager
async def listening(tmp_path: Path, nats_server: NatsServer) -> AsyncIterator[tuple[World, Client]]:
    """A gateway that hears events, with everything known that there was."""
    await nats_server.nats.allow(gateway_user())
    gateway, secret = nats_server.nats.credentials(GATEWAY)
    async with world(tmp_path) as made:
        told = msgspec.structs.replace(
            made.bootstrap(), nats_url=nats_server.url, nats_user=gateway, nats_password=secret
        )
        made.bootstrap = lambda: told  # pyright: ignore[reportAttributeAccessIssue]
        await made.start()
        admin = await connect_admin(nats_server.admin_url)
        try:
            await until(lambda: made.gateway.revocations.is_current)
            yield made, admin
        finally:
            await admin.close()


async def refused(made: World, token: str) -> bool:
    status, body = await made.graphql("{ tenant }", token=token)
    assert status in (200, 401)
    if status == 401:
        assert body == (await made.graphql("{ tenant }", token=None))[1], "one wording for every cause"
    return status == 401


async def until_refused(made: World, token: str) -> None:
    with anyio.fail_after(PATIENCE_S):
        while not await refused(made, token):  # noqa: ASYNC110 another process tells
            await anyio.sleep(0.005)


async def test_an_ended_session_is_refused_when_its_event_is_there_and_others_go_on(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    async with listening(tmp_path, nats_server) as (made, admin):
        token, other = made.token(session=SESSION), made.token(session=OTHER_SESSION)
        elsewhere = made.token(OTHER_TENANT, session=SESSION)
        assert not await refused(made, token)

        await publish(admin, revoked(SESSION))

        await until_refused(made, token)
        assert not await refused(made, other)
        assert not await refused(made, elsewhere), "a session that went on in another tenant"
        assert await refused(made, made.token(session=SESSION)), "whenever it was issued"


async def test_what_a_tenant_a_person_or_a_session_had_so_far_ends_and_what_they_get_then_counts(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    async with listening(tmp_path, nats_server) as (made, admin):
        for subject in (TENANT, USER, SESSION):
            before, elsewhere = made.token(session=SESSION), made.token(OTHER_TENANT, session=SESSION)
            assert not await refused(made, before)

            await publish(admin, revoked(subject, is_final=False))

            await until_refused(made, before)
            assert not await refused(made, made.token(session=SESSION))
            assert not await refused(made, elsewhere)


async def test_open_streams_of_it_end(tmp_path: Path, nats_server: NatsServer) -> None:
    """Threat 18"""
    async with listening(tmp_path, nats_server) as (made, admin):
        sockets: list[Raw] = []
        for session in (SESSION, OTHER_SESSION):
            client = await Raw.open(made.url.removeprefix("http://"))
            client.say({**INIT, "payload": {"authorization": f"Bearer {made.token(session=session)}"}})
            assert await client.hear() == {"type": "connection_ack"}
            sockets.append(client)

        await publish(admin, revoked(SESSION))

        assert await sockets[0].hear() == 4403
        sockets[1].say({"type": "ping"})
        assert await sockets[1].hear() == {"type": "pong"}
        sockets[1].writer.close()


async def test_server_sent_events_of_it_end_with_an_error(tmp_path: Path, nats_server: NatsServer) -> None:
    """Threat 18"""
    async with listening(tmp_path, nats_server) as (made, admin), anyio.create_task_group() as tasks:
        answers: list[bytes] = []

        async def read() -> None:
            headers = {"accept": "text/event-stream"}
            token = made.token(session=SESSION)
            reply = await made.post(b'{"query":"{ held }"}', token=token, headers=headers)
            answers.append(reply.body)

        tasks.start_soon(read)
        await until(lambda: made.crm.tokens)
        await publish(admin, revoked(SESSION))
        await until(lambda: answers)

    assert b'"UNAUTHENTICATED"' in answers[0]
    assert answers[0].endswith(b"event: complete\ndata:\n\n")


async def test_a_router_that_starts_asks_identity_what_it_missed(tmp_path: Path, nats_server: NatsServer) -> None:
    async with listening(tmp_path, nats_server) as (made, admin):
        token = made.token(session=SESSION)
        await made.stop("gateway")
        await publish(admin, revoked(SESSION))
        made.revoked = [revoked(SESSION)]

        await made.start_gateway()
        await until(lambda: made.gateway.revocations.is_current)

        assert await refused(made, token)
        assert not await refused(made, made.token(session=OTHER_SESSION))


async def test_without_nats_identity_is_asked_again_and_again(tmp_path: Path) -> None:
    async with world(tmp_path, revocation_pause_s=0.05) as made:
        await made.start()
        token = made.token(session=SESSION)
        assert not await refused(made, token)

        made.revoked = [revoked(SESSION)]

        await until_refused(made, token)


async def test_nobody_outside_can_ask_what_is_revoked(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()

        assert (await made.post(b"{}", "/auth/revocations")).status == 404


class Asked:
    """Identity and the line to it, as a gateway's part sees them."""

    def __init__(self) -> None:
        self.line: object = 1
        self.is_up = True
        self.times = 0
        self.found: list[Revocation] = []
        self.part = Revocations(
            self.fetch, line=lambda: self.line, clock=SystemClock(), settings=Settings(revocation_pause_s=0.01)
        )

    async def fetch(self) -> list[Revocation]:
        self.times += 1
        if not self.is_up:
            raise ModuleUnavailable("identity")
        return self.found


async def test_a_broken_line_means_asking_again_until_identity_answers() -> None:
    asked = Asked()
    who = Principal(tenant=TENANT, user=USER, session=SESSION)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asked.part.follow)
        await until(lambda: asked.part.is_current)
        assert not asked.part.refuses(who, 0)

        asked.is_up, asked.line, asked.found = False, 2, [revoked(SESSION)]
        assert not asked.part.is_current
        before = asked.times
        await until(lambda: asked.times > before)
        asked.is_up = True
        await until(lambda: asked.part.is_current)

        assert asked.part.refuses(who, 0)
        tasks.cancel_scope.cancel()


async def test_what_is_older_than_any_token_is_forgotten() -> None:
    asked = Asked()
    old = msgspec.structs.replace(revoked(SESSION), at=SystemClock().now() - timedelta(minutes=12))
    asked.found = [old]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asked.part.follow)
        await until(lambda: asked.part.is_current)
        asked.found, asked.line = [revoked(OTHER_SESSION)], 2
        await until(lambda: asked.part.is_current)
        tasks.cancel_scope.cancel()

    assert not asked.part.refuses(Principal(tenant=TENANT, session=SESSION), 0)
    assert asked.part.refuses(Principal(tenant=TENANT, session=OTHER_SESSION), 0)


async def test_whoever_waits_for_the_end_of_an_access_is_woken() -> None:
    asked = Asked()
    waiting = asyncio.ensure_future(asked.part.until_refused(Principal(tenant=TENANT, session=SESSION), 0))
    async with anyio.create_task_group() as tasks:
        asked.found = [revoked(OTHER_SESSION)]
        tasks.start_soon(asked.part.follow)
        await until(lambda: asked.part.is_current)
        assert not waiting.done()
        asked.found, asked.line = [revoked(SESSION)], 2
        await asyncio.wait_for(waiting, PATIENCE_S)
        tasks.cancel_scope.cancel()
