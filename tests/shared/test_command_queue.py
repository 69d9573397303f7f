"""The module's side of the queue: order, failures, dead letters (events.md, D), over a real JetStream."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import anyio
import msgspec
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError
from structlog.testing import capture_logs

from mewayz.servers.streams import connect as connect_admin
from mewayz.servers.streams import make_streams
from shared.clock import SystemClock, new_id
from shared.commands.queue import CommandQueue, Postponed
from shared.wire.jetstream import connect, settled
from shared.wire.receipt import Permit, PermitWanted, QueuedCommand, Settled, Status, result_subject
from tests.modules import until
from tests.services import NatsServer
from tests.waiting import PATIENCE_S, ask, jetstream

pytestmark = pytest.mark.anyio
LUMEN, HARBOUR = UUID(int=1), UUID(int=2)


class Kiosk:
    """A module whose commands do what the test says, and a gateway that permits everything but what is refused."""

    def __init__(self, admin: Client, client: Client) -> None:
        self.admin = admin
        self.client = client
        self.executed: list[str] = []
        self.faults: dict[str, list[Exception]] = {}
        self.permits = True
        self.held: dict[UUID, anyio.Event] = {}  # tenants whose commands wait for the event
        self.seen: list[str] = []  # permits and executions, in their order
        self.names: dict[UUID, str] = {}
        self.opens: anyio.Event | None = None

    async def execute(self, command: QueuedCommand, _body: bytes, token: str) -> Settled:
        assert token == "permit"
        if faults := self.faults.get(command.command):
            raise faults.pop()
        if self.opens is not None:
            await self.opens.wait()
        if command.tenant in self.held:
            await self.held[command.tenant].wait()
        self.seen.append(f"execute {command.command}")
        self.executed.append(command.command)
        return command.settled(Status.DONE, SystemClock().now())

    async def permit(self, message: Msg) -> None:
        wanted = msgspec.json.decode(message.data, type=PermitWanted)
        assert wanted.tenant in (LUMEN, HARBOUR)
        self.seen.append(f"permit {self.names[wanted.receipt]}")
        await message.respond(
            msgspec.json.encode(Permit("permit") if self.permits else Permit(status=Status.CANCELLED))
        )

    async def send(self, name: str, tenant: UUID = LUMEN) -> UUID:
        now = SystemClock().now()
        command = QueuedCommand(
            receipt=new_id(now),
            tenant=tenant,
            module="kiosk",
            command=name,
            operation="mutation { sell { receipt { id status } } }",
            variables={},
            input_hash="",
            actor="",
            user=UUID(int=3),
            queued_at=now,
            expires_at=now + timedelta(hours=1),
        )
        self.names[command.receipt] = name
        await jetstream(self.admin).publish(command.subject, msgspec.json.encode(command))
        return command.receipt

    async def status(self, receipt: UUID, tenant: UUID = LUMEN) -> Status | None:
        try:
            found = await jetstream(self.admin).get_last_msg("CMDRES", result_subject(tenant, receipt))
        except NotFoundError:
            return None
        return msgspec.json.decode(found.data or b"", type=Settled).status

    async def forget(self) -> None:
        """Remove what an earlier test did not wait for."""
        await jetstream(self.admin).purge_stream("COMMANDS", subject="cmd.kiosk.>")

    async def has_executed(self, *names: str) -> bool:
        return self.executed == list(names)

    async def is_empty(self) -> bool:
        """Read the stream: a consumer is told of a message only after who published it has the server's word."""
        state = (await jetstream(self.admin).stream_info("COMMANDS", subjects_filter="cmd.kiosk.>")).state
        return not state.subjects

    async def asks(self) -> bool:
        return (await self.consumer())["num_waiting"] > 0

    async def consumer(self) -> dict[str, Any]:
        """Return what JetStream says of the consumer."""
        return await ask(self.admin, "CONSUMER.INFO.COMMANDS.kiosk")

    async def patience(self, seconds: float) -> None:
        """Let the server hand a message out again after so long."""
        config = (await self.consumer())["config"] | {"ack_wait": int(seconds * 1e9)}
        wanted = {"stream_name": "COMMANDS", "config": config, "action": "update"}
        assert "error" not in await ask(self.admin, "CONSUMER.DURABLE.CREATE.COMMANDS.kiosk", wanted)


@asynccontextmanager
async def without_stream(admin: Client, name: str) -> AsyncIterator[None]:
    """Let there be no such stream while the block runs."""
    await jetstream(admin).delete_stream(name)
    try:
        yield
    finally:
        await make_streams(admin)


async def is_logged(lines: Sequence[Mapping[str, Any]], event: str) -> bool:
    return any(line["event"] == event for line in lines)


@asynccontextmanager
async def kiosk(nats_server: NatsServer) -> AsyncIterator[Kiosk]:
    user, password = await nats_server.add_module("kiosk")
    admin = await connect_admin(nats_server.admin_url)
    client = await connect(nats_server.url, user=user, password=password, name="kiosk")
    made = Kiosk(admin, client)
    await made.forget()
    await admin.subscribe("ask.permit.kiosk", cb=made.permit)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(CommandQueue(client, "kiosk", SystemClock(), made.execute).run)
            await until(made.asks)
            yield made
            tasks.cancel_scope.cancel()
    finally:
        await client.close()
        await admin.close()


async def test_commands_of_a_tenant_are_executed_in_order_and_other_tenants_do_not_wait_for_them(
    nats_server: NatsServer,
) -> None:
    async with kiosk(nats_server) as made:
        made.held[LUMEN] = anyio.Event()
        for number in range(3):
            await made.send(f"lumen {number}")
        await made.send("harbour", HARBOUR)

        await until(partial(made.has_executed, "harbour"))
        made.held[LUMEN].set()
        await until(made.is_empty)

        assert made.executed[1:] == ["lumen 0", "lumen 1", "lumen 2"]


async def test_a_tenant_whose_commands_do_not_get_through_holds_up_no_other(nats_server: NatsServer) -> None:
    """64 of its commands were all that a module took in hand: everybody waited behind them"""
    async with kiosk(nats_server) as made:
        made.faults["jam"] = [Postponed("not now") for _ in range(10_000)]
        for _ in range(70):
            await made.send("jam")
        await made.send("harbour", HARBOUR)

        await until(partial(made.has_executed, "harbour"))


async def test_permits_are_asked_for_ahead_and_commands_executed_in_order(nats_server: NatsServer) -> None:
    async with kiosk(nats_server) as made:
        await _send_twelve(made)

        await until(made.is_empty)

        assert made.executed == [f"sell {number}" for number in range(12)]
        earlier = [made.seen.index(f"permit sell {n + 1}") < made.seen.index(f"execute sell {n}") for n in range(11)]
        assert any(earlier)


async def test_a_permit_that_is_no_longer_fresh_is_asked_for_again(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rights that end while others' commands take long are not used"""
    monkeypatch.setattr("shared.commands.queue._FRESH_S", 0.0)
    async with kiosk(nats_server) as made:
        await _send_twelve(made)

        await until(made.is_empty)

        for number in range(1, 12):
            between = slice(made.seen.index(f"execute sell {number - 1}"), made.seen.index(f"execute sell {number}"))
            assert f"permit sell {number}" in made.seen[between]


async def _send_twelve(made: Kiosk) -> None:
    """Let twelve commands of a tenant wait before the first is executed."""
    made.opens = anyio.Event()
    for number in range(12):
        await made.send(f"sell {number}")

    async def are_in_hand() -> bool:
        return (await made.consumer())["num_ack_pending"] == 12

    await until(are_in_hand)
    made.opens.set()


async def test_what_came_of_a_command_is_kept_before_it_is_acknowledged(nats_server: NatsServer) -> None:
    async with kiosk(nats_server) as made:
        async with without_stream(made.admin, "CMDRES"):
            with capture_logs() as lines:
                receipt = await made.send("sell")
                await until(partial(is_logged, lines, "result_waits"))
            assert not await made.is_empty()
        await until(made.is_empty)

        assert await made.status(receipt) is Status.DONE
        assert made.executed == ["sell"]


async def test_what_is_no_command_waits_for_the_dead_letters(nats_server: NatsServer) -> None:
    """Where they took nothing, it was acknowledged and gone"""
    async with kiosk(nats_server) as made:
        async with without_stream(made.admin, "DLQ"):
            with capture_logs() as lines:
                await jetstream(made.admin).publish(f"cmd.kiosk.{LUMEN}.x", b"not a command")
                await until(partial(is_logged, lines, "command_waits"))
            assert not await made.is_empty()
        await until(made.is_empty)

        assert (await jetstream(made.admin).get_last_msg("DLQ", f"dlq.kiosk.{LUMEN}.command")).data == b"not a command"


async def test_a_fault_that_passes_is_waited_for_and_others_count(nats_server: NatsServer) -> None:
    async with kiosk(nats_server) as made:
        made.faults["sell"] = [Postponed("the database is away")] * 3
        receipt = await made.send("sell")

        await until(made.is_empty)

        assert await made.status(receipt) is Status.DONE
        assert made.executed == ["sell"]


async def test_after_five_failures_the_receipt_is_failed_and_the_command_a_dead_letter(nats_server: NatsServer) -> None:
    async with kiosk(nats_server) as made:
        made.faults["break"] = [RuntimeError("a bug")] * 5
        receipt = await made.send("break")
        behind = await made.send("sell")

        await until(made.is_empty)

        assert await made.status(receipt) is Status.FAILED
        assert await made.status(behind) is Status.DONE
        letter = await jetstream(made.admin).get_last_msg("DLQ", f"dlq.kiosk.{LUMEN}.break")
        assert msgspec.json.decode(letter.data or b"", type=QueuedCommand).receipt == receipt
        assert made.executed == ["sell"]


async def test_the_queue_ends_also_where_a_library_keeps_that_to_itself(nats_server: NatsServer) -> None:
    """As nats-py and asyncio.wait_for do; after a connection that broke in the middle, nothing was executed any more."""
    user, password = await nats_server.add_module("kiosk")
    async with (
        await connect_admin(nats_server.admin_url) as admin,
        await connect(nats_server.url, user=user, password=password, name="kiosk") as client,
    ):
        made, begun = Kiosk(admin, client), asyncio.Event()
        await made.forget()
        await admin.subscribe("ask.permit.kiosk", cb=made.permit)

        async def execute(command: QueuedCommand, body: bytes, token: str) -> Settled:
            begun.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(30)
            return await made.execute(command, body, token)

        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(CommandQueue(client, "kiosk", SystemClock(), execute).run())
            for number in range(2):
                await made.send(f"sell {number}")
            await begun.wait()

            running.cancel()
            await asyncio.wait([running], timeout=PATIENCE_S)
            assert running.cancelled()

        assert made.executed == ["sell 0"]
    async with kiosk(nats_server) as made:
        await until(made.is_empty)


async def test_what_is_settled_already_is_not_executed(nats_server: NatsServer) -> None:
    async with kiosk(nats_server) as made:
        made.permits = False
        receipt = await made.send("sell")

        await until(made.is_empty)

        assert made.executed == []
        assert await made.status(receipt) is None  # the gateway has said what became of it


async def test_what_is_no_command_becomes_a_dead_letter(nats_server: NatsServer) -> None:
    async with kiosk(nats_server) as made:
        await jetstream(made.admin).publish(f"cmd.kiosk.{LUMEN}.x", b"not a command")

        await until(made.is_empty)

        letter = await jetstream(made.admin).get_last_msg("DLQ", f"dlq.kiosk.{LUMEN}.command")
        assert letter.data == b"not a command"
        assert made.executed == []


async def test_commands_that_wait_for_long_are_taken_once(nats_server: NatsServer) -> None:
    """The server hands out again each 30 s what it has not heard of; all of it stood in memory, and was asked for anew"""
    async with kiosk(nats_server) as made:
        made.opens = anyio.Event()
        await made.patience(0.2)
        for number in range(3):
            await made.send(f"sell {number}")

        async def handed_out_again() -> bool:
            return (await made.consumer())["num_redelivered"] == 3

        await until(handed_out_again)
        await made.patience(30)
        await settled(made.client)  # all that was handed out has come
        made.opens.set()
        await until(made.is_empty)

        assert made.executed == ["sell 0", "sell 1", "sell 2"]
