"""The module's side of queued commands: one at a time in a tenant, in order, across tenants in parallel (events.md, D)."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from shared.clock import Clock
from shared.wire.jetstream import COMMANDS, Message, PublishFailed, ask, end_if_cancelled, publish, pull
from shared.wire.receipt import (
    Permit,
    PermitWanted,
    QueuedCommand,
    Reason,
    Settled,
    Status,
    permit_subject,
    result_subject,
)

log = structlog.get_logger()
_LANES = 8
_PERMIT_S = 5.0
_FAILURES = 5
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_decode = msgspec.json.Decoder(QueuedCommand).decode
_decode_permit = msgspec.json.Decoder(Permit).decode


class Postponed(Exception):
    """The command can't be executed at this moment, for a reason that is not its own: it is tried again without limit."""


Execute = Callable[[QueuedCommand, bytes, str], Awaitable[Settled]]
"""(command, the message it came in, the permit's token) -> what came of it.

Raises Postponed where database or gateway are away; any other exception counts as one of five failures.
"""


class CommandQueue:
    """One module's consumer on stream COMMANDS."""

    def __init__(self, client: Client, module: str, clock: Clock, execute: Execute) -> None:
        """Take commands for `module` by `client`."""
        self._clock = clock
        self._client = client
        self._module = module
        self._execute = execute
        self._lanes: list[asyncio.Queue[Msg]] = []
        self._in_hand: set[int] = set()  # places on the stream
        self._pulling: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Execute what waits until cancelled. Only the holder of the module's lease may. Raises StreamLost."""
        self._lanes = [asyncio.Queue() for _ in range(_LANES)]  # bounded by the consumer's max_ack_pending
        self._in_hand.clear()
        async with asyncio.TaskGroup() as tasks:
            for lane in self._lanes:
                tasks.create_task(self._work(lane))
            self._pulling = tasks.create_task(pull(self._client, COMMANDS, self._module, self._take))

    async def drain(self) -> None:
        """Take nothing more, and wait until what was taken is executed. `run` goes on until it is cancelled."""
        if self._pulling is not None:
            self._pulling.cancel()
        await asyncio.gather(*(lane.join() for lane in self._lanes))

    async def _take(self, message: Msg) -> None:
        place = message.metadata.sequence.stream
        if place in self._in_hand:  # handed out again, because those before it take long
            return
        self._in_hand.add(place)
        tenant = message.subject.split(".")[2]
        self._lanes[zlib.crc32(tenant.encode()) % _LANES].put_nowait(message)

    async def _work(self, lane: asyncio.Queue[Msg]) -> None:
        while True:
            end_if_cancelled()
            message = await lane.get()
            try:
                await self._until_settled(message)
                await message.ack()
            finally:
                self._in_hand.discard(message.metadata.sequence.stream)
                lane.task_done()

    async def _until_settled(self, message: Msg) -> None:
        try:
            command = _decode(message.data)
        except msgspec.MsgspecError as error:
            return await self._reject(message, f"MALFORMED: {error}")
        if command.subject != message.subject:
            return await self._reject(message, f"FORGED: the command says {command.subject}")
        failures, pause_s = 0, _FIRST_PAUSE_S
        while True:
            end_if_cancelled()
            try:
                settled = await self._try(command, message)
                if settled is not None:
                    await self._tell(command, settled)
                return None
            except (Postponed, PublishFailed) as error:
                log.info("command_waits", **_facts(command), error=str(error))
            except Exception as error:
                failures += 1
                log.warning("command_failed", **_facts(command), attempt=failures, error=repr(error))
                if failures >= _FAILURES:
                    return await self._give_up(command, message)
            await message.in_progress()  # it is not delivered a second time while it waits
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _try(self, command: QueuedCommand, message: Msg) -> Settled | None:
        """Return what came of the command, or None where its receipt is settled already."""
        permit = await self._permit(command)
        if permit.token is None:
            log.info("command_not_executed", **_facts(command), status=permit.status)
            return None
        return await self._execute(command, message.data, permit.token)

    async def _permit(self, command: QueuedCommand) -> Permit:
        wanted = msgspec.json.encode(PermitWanted(command.tenant, command.receipt))
        try:
            reply = await ask(self._client, permit_subject(self._module), wanted, timeout_s=_PERMIT_S)
            return _decode_permit(reply.data)
        except (NatsError, OSError, msgspec.MsgspecError) as error:  # no gateway runs, or it can't decide now
            raise Postponed(f"no permit: {str(error) or type(error).__name__}") from error

    async def _tell(self, command: QueuedCommand, settled: Settled) -> None:
        """Keep what came of the command. Raises PublishFailed: it is executed again, with the same answer."""
        subject = result_subject(command.tenant, command.receipt)
        await publish(
            self._client, Message(subject, f"{command.receipt}-{settled.status}", msgspec.json.encode(settled))
        )

    async def _give_up(self, command: QueuedCommand, message: Msg) -> None:
        reason = Reason(code="INTERNAL", message=f"{self._module} failed {_FAILURES} times at this command.")
        await self._notify(message, command.command, reason.message)
        settled = command.settled(Status.FAILED, self._clock.now(), reason)
        await self._persist(command, settled)

    async def _persist(self, command: QueuedCommand, settled: Settled) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return await self._tell(command, settled)
            except PublishFailed as error:
                log.warning("result_waits", **_facts(command), error=str(error))
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _reject(self, message: Msg, reason: str) -> None:
        """Copy a message that can't be a command to the dead letters; nobody has a receipt for it."""
        log.error("command_rejected", module=self._module, subject=message.subject, reason=reason)
        await self._notify(message, "command", reason)

    async def _notify(self, message: Msg, name: str, reason: str) -> None:
        tenant, receipt = message.subject.split(".")[2:4]
        copy = Message(f"dlq.{self._module}.{tenant}.{name}", f"dlq-{self._module}-{receipt}", message.data)
        headers = {"Mewayz-Reason": reason.splitlines()[0][:200]}
        try:
            await publish(self._client, copy, headers)
        except PublishFailed as error:
            log.warning("dead_letter_not_kept", module=self._module, receipt=receipt, error=str(error))


def _facts(command: QueuedCommand) -> dict[str, str]:
    return {
        "module": command.module,
        "tenant": str(command.tenant),
        "command": command.command,
        "receipt": str(command.receipt),
    }
