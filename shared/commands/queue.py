"""The module's side of queued commands: one at a time in a tenant, in order, across tenants in parallel (events.md, D).

A permit and a kept result are a disk's flush each. So a lane asks for the permits of its next commands at once, executes
these one after the other, and has what came of them kept at once (ADR 0027).
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

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
_AT_ONCE = 8  # tenants
_AHEAD = 16  # permits at once; whoever sent such a command can't take it back any more
_FRESH_S = 1.0  # so old a permit may be when its command begins: rights end meanwhile
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


@dataclass(slots=True, eq=False)
class _Waiting:
    """A message in hand, and how far it has come."""

    message: Msg
    command: QueuedCommand | None  # None where it can't be one, for this reason
    reason: str = ""
    failures: int = 0
    is_over: bool = False
    settled: Settled | None = None  # None where the gateway has said what came of it

    @property
    def place(self) -> int:
        """Where it lies on the stream."""
        return self.message.metadata.sequence.stream


class CommandQueue:
    """One module's consumer on stream COMMANDS."""

    def __init__(self, client: Client, module: str, clock: Clock, execute: Execute) -> None:
        """Take commands for `module` by `client`."""
        self._clock = clock
        self._client = client
        self._module = module
        self._execute = execute
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._lanes: dict[str, deque[_Waiting]] = {}  # by tenant
        self._running: set[asyncio.Task[None]] = set()
        self._in_hand: set[int] = set()  # places on the stream
        self._pulling: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Execute what waits until cancelled. Only the holder of the module's lease may. Raises StreamLost."""
        self._lanes.clear()
        self._in_hand.clear()
        async with asyncio.TaskGroup() as tasks:
            take = partial(self._take, tasks)
            self._pulling = tasks.create_task(pull(self._client, COMMANDS, self._module, take))

    async def drain(self) -> None:
        """Take nothing more, and wait until what was taken is executed. `run` goes on until it is cancelled."""
        if self._pulling is not None:
            self._pulling.cancel()
        while self._running:
            await asyncio.wait(self._running)

    async def _take(self, tasks: asyncio.TaskGroup, message: Msg) -> None:
        one = _read(message)
        if one.place in self._in_hand:  # handed out again, because those before it take long
            return
        self._in_hand.add(one.place)
        tenant = message.subject.split(".")[2]
        if tenant in self._lanes:
            self._lanes[tenant].append(one)
            return
        self._lanes[tenant] = deque([one])  # bounded by the consumer's max_ack_pending
        task = tasks.create_task(self._follow(tenant))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _follow(self, tenant: str) -> None:
        """Execute what waits of a tenant, until nothing does. While it has to wait, others have its place."""
        lane = self._lanes[tenant]
        ahead, pause_s = 1, _FIRST_PAUSE_S
        while lane:
            end_if_cancelled()
            async with self._places:
                is_well = await self._execute_some(list(islice(lane, ahead)))
            over = [one for one in islice(lane, _AHEAD) if one.is_over]
            for one, is_kept in zip(over, await asyncio.gather(*map(self._settle, over)), strict=True):
                if is_kept:
                    lane.remove(one)
                    self._in_hand.discard(one.place)
                is_well = is_well and is_kept
            if is_well:
                ahead, pause_s = min(2 * ahead, _AHEAD), _FIRST_PAUSE_S
                continue
            await lane[0].message.in_progress()  # it is not delivered a second time while it waits
            await asyncio.sleep(pause_s)
            ahead, pause_s = 1, min(pause_s * 2, _LONGEST_PAUSE_S)
        del self._lanes[tenant]

    async def _execute_some(self, waiting: Sequence[_Waiting]) -> bool:
        """Execute commands in their order, while their permits are fresh; return False where one has to be tried again."""
        asked_at = time.monotonic()
        permits = await asyncio.gather(*map(self._permit, waiting))
        for number, (one, permit) in enumerate(zip(waiting, permits, strict=True)):
            if number > 0 and time.monotonic() - asked_at > _FRESH_S:
                break
            if not one.is_over and not await self._is_executed(one, permit):
                return False
        return True

    async def _is_executed(self, one: _Waiting, permit: Permit | Postponed) -> bool:
        try:
            await self._try(one, permit)
        except (Postponed, PublishFailed) as error:
            log.info("command_waits", **_facts(one), error=str(error))
            return False
        one.is_over = True
        return True

    async def _try(self, one: _Waiting, permit: Permit | Postponed) -> None:
        if isinstance(permit, Postponed):
            raise permit
        if one.command is None:
            await self._reject(one)
        elif permit.token is None:
            log.info("command_not_executed", **_facts(one), status=permit.status)
        else:
            one.settled = await self._outcome(one, one.command, permit.token)

    async def _outcome(self, one: _Waiting, command: QueuedCommand, token: str) -> Settled:
        try:
            return await self._execute(command, one.message.data, token)
        except Postponed:
            raise
        except Exception as error:
            one.failures += 1
            log.warning("command_failed", **_facts(one), attempt=one.failures, error=repr(error))
            if one.failures < _FAILURES:
                raise Postponed(f"it failed {one.failures} times") from error
        reason = Reason(code="INTERNAL", message=f"{self._module} failed {_FAILURES} times at this command.")
        await self._notify(one.message, command.command, reason.message)
        return command.settled(Status.FAILED, self._clock.now(), reason)

    async def _permit(self, one: _Waiting) -> Permit | Postponed:
        if one.is_over or one.command is None:
            return Permit()
        wanted = msgspec.json.encode(PermitWanted(one.command.tenant, one.command.receipt))
        try:
            reply = await ask(self._client, permit_subject(self._module), wanted, timeout_s=_PERMIT_S)
            return _decode_permit(reply.data)
        except (NatsError, OSError, msgspec.MsgspecError) as error:  # no gateway runs, or it can't decide now
            return Postponed(f"no permit: {str(error) or type(error).__name__}")

    async def _settle(self, one: _Waiting) -> bool:
        """Have it kept what came of a command, then acknowledge it; return False where it could not be kept."""
        try:
            if one.command is not None and one.settled is not None:
                await self._keep(one.command, one.settled)
        except PublishFailed as error:
            log.warning("result_waits", **_facts(one), error=str(error))
            return False
        await one.message.ack()
        return True

    async def _keep(self, command: QueuedCommand, settled: Settled) -> None:
        subject, message_id = result_subject(command.tenant, command.receipt), f"{command.receipt}-{settled.status}"
        await publish(self._client, Message(subject, message_id, msgspec.json.encode(settled)))

    async def _reject(self, one: _Waiting) -> None:
        """Copy a message that can't be a command to the dead letters; nobody has a receipt for it."""
        log.error("command_rejected", module=self._module, subject=one.message.subject, reason=one.reason)
        await self._notify(one.message, "command", one.reason)

    async def _notify(self, message: Msg, name: str, reason: str) -> None:
        tenant, receipt = message.subject.split(".")[2:4]
        headers = {"Mewayz-Reason": reason.splitlines()[0][:200]}
        copy = Message(f"dlq.{self._module}.{tenant}.{name}", f"dlq-{self._module}-{receipt}", message.data, headers)
        await publish(self._client, copy)


def _read(message: Msg) -> _Waiting:
    try:
        command = _decode(message.data)
    except msgspec.MsgspecError as error:
        return _Waiting(message, None, f"MALFORMED: {error}")
    if command.subject != message.subject:
        return _Waiting(message, None, f"FORGED: the command says {command.subject}")
    return _Waiting(message, command)


def _facts(one: _Waiting) -> dict[str, str]:
    command = one.command
    if command is None:
        return {"subject": one.message.subject}
    return {
        "module": command.module,
        "tenant": str(command.tenant),
        "command": command.command,
        "receipt": str(command.receipt),
    }
