"""NATS: the rights of module users, and what survives a killed server (contracts.md, "Events")."""

import asyncio
import json
import os
from pathlib import Path
from signal import SIGKILL
from urllib.parse import urlsplit

import nats
import pytest
from nats.aio.client import Client

from mewayz.folders import folders_of
from mewayz.passwords import Passwords
from mewayz.servers.nats import Nats, gateway_user, module_user
from mewayz.servers.streams import connect, make_consumers, make_streams
from shared.wire.jetstream import connect as wire_connect
from shared.wire.jetstream import settled
from tests.services import NatsServer
from tests.waiting import PATIENCE_S, ask, is_refused, jetstream

pytestmark = pytest.mark.anyio


async def test_a_module_publishes_what_it_declares_and_nothing_else(nats_server: NatsServer) -> None:
    async with await _module(nats_server, "shop", publishes=("order.placed",)) as client:
        stream = jetstream(client)

        assert (await stream.publish("evt.t1.order.placed", b"{}")).stream == "EVENTS"
        for foreign in ("evt.t1.order.cancelled", "evt.t1.invoice.paid", "cmd.shop.t1.x", "dlq.other.t1.x"):
            assert await is_refused(client, foreign)


async def test_a_module_cannot_touch_streams_or_others_consumers(nats_server: NatsServer) -> None:
    await nats_server.add_module("bank")
    async with await _module(nats_server, "thief") as client:
        for call in (
            "STREAM.DELETE.EVENTS",
            "STREAM.PURGE.EVENTS",
            "CONSUMER.CREATE.EVENTS.thief",
            "CONSUMER.MSG.NEXT.EVENTS.bank",
            "CONSUMER.RESET.EVENTS.bank",
            "DIRECT.GET.EVENTS",
        ):
            assert await is_refused(client, f"$JS.API.{call}")


async def test_a_module_whose_commands_never_wait_tells_of_none(nats_server: NatsServer) -> None:
    """What came of a command is its sender's receipt"""
    async with await _module(nats_server, "quiet") as client:
        await nats_server.nats.allow(module_user("quiet", [], takes_queued=False))
        for subject in ("cmdres.t1.x", "ask.permit.quiet", "$JS.API.CONSUMER.MSG.NEXT.COMMANDS.quiet"):
            assert await is_refused(client, subject)


async def test_a_module_hears_its_own_events_and_every_tenant(nats_server: NatsServer) -> None:
    async with await _module(nats_server, "desk", publishes=("ticket.open", "tenant.created")) as client:
        await nats_server.add_module("desk", publishes=("ticket.open", "tenant.created"), subscribes=("ticket.open",))
        stream = jetstream(client)
        await stream.publish("evt.t7.tenant.created", b"1")
        await stream.publish("evt.t7.ticket.open", b"2")

        assert await _hears(client, "EVENTS", "evt.t7.ticket.open")
        assert await _hears(client, "TENANTS", "evt.t7.tenant.created")


async def test_what_a_module_does_not_hear_any_more_waits_for_nobody(nats_server: NatsServer) -> None:
    """Its backlog would never be taken, and wake the module twice a second, for ever"""
    async with await connect(nats_server.admin_url) as admin:
        await make_consumers(admin, "fickle", ["ticket.open"])
        await jetstream(admin).publish("evt.t7.ticket.open", b"1")

        for _ in range(2):
            await make_consumers(admin, "fickle", [], takes_queued=False)

        for stream, wanted in (("EVENTS", False), ("COMMANDS", False), ("TENANTS", True)):
            answer = await ask(admin, f"CONSUMER.INFO.{stream}.fickle")
            assert ("config" in answer) is wanted


async def test_a_killed_server_keeps_its_port_and_what_it_acknowledged(tmp_path: Path) -> None:
    folders = folders_of(tmp_path)
    folders.create()
    server = Nats(folders, Passwords(folders.secrets))
    await server.allow(module_user("shop", ["order.placed"]))
    await server.start()
    address = server.url
    async with await connect(server.admin_url) as client:
        await make_streams(client)
        await jetstream(client).publish("evt.t1.order.placed", b"{}")

        assert server.pid is not None
        os.kill(server.pid, SIGKILL)
        await server.ended()
        await server.start()

    assert server.url == address
    async with await connect(server.admin_url) as client:
        await make_streams(client)
        assert (await ask(client, "STREAM.INFO.EVENTS"))["state"]["messages"] == 1
    await server.stop()


async def test_users_change_their_passwords_and_nobody_is_cut_before_the_end(tmp_path: Path) -> None:
    folders = folders_of(tmp_path)
    folders.create()
    server = Nats(folders, Passwords(folders.secrets))
    await server.allow(module_user("shop", ["order.placed"]), gateway_user())
    await server.start()
    old, old_admin = server.credentials("shop"), server.admin_url
    told = old
    async with (
        await wire_connect(server.url, user=lambda: told[0], password=lambda: told[1], name="shop") as moving,
        await connect(server.admin_url) as admin,
    ):
        await make_streams(admin)

        await server.begin_exchange()

        told = server.credentials("shop")
        assert (told[0] != old[0], told[1] != old[1]) == (True, True)
        for user in (old, told):
            assert await _lets_in(server.url, *user)
        await moving.publish("evt.t1.order.placed", b"{}")
        await settled(moving)
        assert (moving.stats["reconnects"], admin.is_connected) == (0, True)

        await moving.force_reconnect()
        while not (moving.stats["reconnects"] and moving.is_connected):  # noqa: ASYNC110 nats-py has no event for it
            await asyncio.sleep(0.01)
        for _ in range(2):  # the second time after a crash
            await server.end_exchange()

        assert not server.is_exchanging()
        assert await _lets_in(server.url, *told)
        assert not await _lets_in(server.url, *old)
        assert not await _lets_in(server.url, *_login_of(old_admin))
        await moving.publish("evt.t1.order.placed", b"{}")
        await settled(moving)
        assert moving.is_connected
    await server.stop()


async def test_a_changed_filter_reaches_the_consumer(nats_server: NatsServer) -> None:
    async with await connect(nats_server.admin_url) as client:
        await make_consumers(client, "ears", ["a.b"])
        await make_consumers(client, "ears", ["c.d", "a.b"])

        info = await ask(client, "CONSUMER.INFO.EVENTS.ears")

        assert info["config"]["filter_subjects"] == ["evt.*.a.b", "evt.*.c.d"]
        assert info["config"].get("max_deliver") == -1


async def _module(server: NatsServer, slug: str, publishes: tuple[str, ...] = ()) -> Client:
    user, password = await server.add_module(slug, publishes=publishes)

    async def ignore(error: Exception) -> None:
        """Refusals arrive here too; the tests look for them themselves."""

    return await nats.connect(
        server.url, user=user, password=password, inbox_prefix=f"_INBOX.{slug}".encode(), error_cb=ignore
    )


async def _hears(client: Client, stream: str, subject: str) -> bool:
    """Read what waits for `desk`, past the tenants that other tests of this server have created, until it comes."""
    consumer = await jetstream(client).pull_subscribe_bind(durable="desk", stream=stream)
    while True:
        (message,) = await consumer.fetch(1, timeout=PATIENCE_S)
        if message.subject == subject:
            return True


async def _lets_in(url: str, user: str, password: str) -> bool:
    """Whether NATS lets a user in (its protocol: INFO comes, CONNECT goes, +OK or -ERR comes)."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        told = {"user": user, "pass": password, "verbose": True}
        writer.write(f"CONNECT {json.dumps(told)}\r\n".encode())
        assert (await reader.readline()).startswith(b"INFO")
        return (await reader.readline()).startswith(b"+OK")
    finally:
        writer.close()


def _login_of(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.username or "", parts.password or ""
