"""Pages that a tenant lets call the API from a browser: its own, heard within a second, nobody else's (threats 18 and 19)."""

import asyncio
from pathlib import Path
from time import monotonic

import anyio
import orjson
import pytest
from nats.aio.client import Client
from structlog.testing import capture_logs

from router.execution.transport import Reply
from shared.clock import SystemClock, new_id
from shared.wire.pages import PAGES_EVENT, TenantPages
from tests.router.gateway.test_revocations import listening
from tests.router.gateway.test_subscriptions import INIT, Raw
from tests.router.gateway.world import OTHER_TENANT, TENANT, World, until, world
from tests.services import NatsServer
from tests.waiting import PATIENCE_S, jetstream

pytestmark = pytest.mark.anyio
OURS = "https://app.lumen.example"
THEIRS = "https://shop.other.example"
RENAME = b'{"query":"mutation { rename(name: \\"done\\") }"}'
ALLOWED = b"access-control-allow-origin"


async def asked(made: World, origin: str, target: str = "/graphql") -> Reply:
    """Ask as a browser does before it sends anything."""
    headers = {"origin": origin, "access-control-request-method": "POST"}
    return await made.ask("OPTIONS", target, **headers)


async def let_in(made: World, *pages: TenantPages) -> None:
    """Start a gateway that knows these pages."""
    made.pages = list(pages)
    await made.start()
    await until_told(made, pages[-1].origins[-1])


async def until_told(made: World, origin: str, *, is_in: bool = True) -> None:
    """Wait until a page is let in, or no longer."""
    with anyio.fail_after(PATIENCE_S):
        while (ALLOWED in (await asked(made, origin)).headers) is not is_in:  # noqa: ASYNC110 another process tells
            await anyio.sleep(0.005)


def both() -> tuple[TenantPages, TenantPages]:
    return TenantPages(tenant_id=TENANT, origins=(OURS,)), TenantPages(tenant_id=OTHER_TENANT, origins=(THEIRS,))


async def test_a_tenants_page_may_ask_and_read_and_sign_in(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await let_in(made, *both())
        reply = await made.post(RENAME, headers={"origin": OURS})
        anonymous = await made.post(RENAME, token=None, headers={"origin": OURS})
        preflights = [await asked(made, OURS, target) for target in ("/graphql", "/auth/login")]

    assert (reply.status, made.crm.done) == (200, ["done"])
    assert anonymous.status == 401
    assert [one.headers[ALLOWED] for one in (reply, anonymous, *preflights)] == [OURS.encode()] * 4
    assert b"access-control-allow-credentials" not in reply.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{OURS}.evil.example", "http://app.lumen.example"])
async def test_nothing_is_reflected_for_a_page_that_nobody_named(tmp_path: Path, origin: str) -> None:
    async with world(tmp_path) as made:
        await let_in(made, *both())
        found = [await asked(made, origin), await made.post(RENAME, headers={"origin": origin})]

    for one in found:
        assert not [name for name in one.headers if name.startswith(b"access-control")]
        assert one.headers[b"vary"] == b"origin"


async def test_with_the_token_of_one_tenant_the_page_of_another_does_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await let_in(made, *both())
        refused = await made.post(RENAME, headers={"origin": THEIRS})
        by_events = await made.post(RENAME, headers={"origin": THEIRS, "accept": "text/event-stream"})
        plan = await made.post(b'{"query":"{ tenant }"}', "/graphiql/plan", headers={"origin": THEIRS})
        socket = await Raw.open(made.url.removeprefix("http://"), origin=THEIRS)
        socket.say({**INIT, "payload": {"authorization": f"Bearer {made.token()}"}})
        closed = await socket.hear()

    assert [
        (one.status, orjson.loads(one.body)["errors"][0]["extensions"]["code"]) for one in (refused, by_events, plan)
    ] == [(403, "ORIGIN_NOT_ALLOWED")] * 3
    assert closed == 4403
    assert made.crm.done == []


async def test_no_tenant_can_make_the_gateways_own_pages_foreign_or_the_operators(tmp_path: Path) -> None:
    hosts = ("127.0.0.1", "api.example.com")
    async with world(tmp_path, origins=("https://app.example.com",), hosts=hosts, revocation_pause_s=0.05) as made:
        own = ("https://app.example.com", "https://api.example.com")
        await let_in(made, TenantPages(tenant_id=OTHER_TENANT, origins=own))
        local = made.url
        made.pages = [TenantPages(tenant_id=OTHER_TENANT, origins=(*own, local))]
        await until_told(made, local)
        replies = [await made.post(RENAME, headers={"origin": origin}) for origin in (*own, local)]

    assert [one.status for one in replies] == [200, 200, 200]


async def change(admin: Client) -> None:
    """Publish what identity would."""
    number = str(new_id(SystemClock().now()))
    await jetstream(admin).publish(f"evt.{TENANT}.{PAGES_EVENT}", orjson.dumps({"id": number}))


async def test_a_page_is_let_in_and_out_within_a_second(tmp_path: Path, nats_server: NatsServer) -> None:
    async with listening(tmp_path, nats_server) as (made, admin):
        assert ALLOWED not in (await asked(made, OURS)).headers
        took: list[float] = []
        for pages in (list(both()), []) * 5:  # a neighbour on the machine only adds to it: the least counts
            made.pages = pages
            began = monotonic()
            await change(admin)
            await until_told(made, OURS, is_in=bool(pages))
            took.append(monotonic() - began)
        assert min(took) < 1


async def test_with_identity_down_the_pages_that_are_known_go_on(tmp_path: Path) -> None:
    async with world(tmp_path, revocation_pause_s=0.05) as made:
        await let_in(made, *both())
        await made.stop("identity")
        with capture_logs() as lines:
            await until(lambda: ("identity_not_asked", "pages") in [(one["event"], one.get("what")) for one in lines])

        assert ALLOWED in (await asked(made, OURS)).headers


async def test_a_socket_of_a_page_that_nobody_named_is_not_opened(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await let_in(made, *both())
        foreign = await Raw.open(made.url.removeprefix("http://"), origin="https://evil.example")
        ours = await Raw.open(made.url.removeprefix("http://"), origin=OURS)
        ours.say({**INIT, "payload": {"authorization": f"Bearer {made.token()}"}})

        assert await foreign.hear() == 403
        assert await ours.hear() == {"type": "connection_ack"}
        foreign.writer.close()
        ours.writer.close()


async def test_a_preflight_names_the_page_once(tmp_path: Path) -> None:
    """A browser refuses a header that is there twice"""
    async with world(tmp_path, origins=(OURS,)) as made:
        await made.start()
        reader, writer = await asyncio.open_connection(*made.url.removeprefix("http://").split(":"))
        asking = f"origin: {OURS}\r\naccess-control-request-method: POST\r\nconnection: close"
        writer.write(f"OPTIONS /graphql HTTP/1.1\r\nhost: x\r\n{asking}\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()

    names = [line.partition(b":")[0].lower() for line in answer.split(b"\r\n")[1:] if line]
    assert ALLOWED in names
    assert len(names) == len(set(names))
