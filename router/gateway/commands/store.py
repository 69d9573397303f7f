"""Receipts in JetStream: what waits, what came of it, whose it is (contracts.md, "Commands")."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

import msgspec
from nats.aio.msg import Msg

from router.gateway.commands.connection import Connection
from router.gateway.commands.reasons import kept
from router.gateway.commands.results import Results, pages
from shared.clock import Clock
from shared.wire.jetstream import COMMANDS, RESULTS, Message, PublishFailed, SubjectTaken, last_message, publish_first
from shared.wire.receipt import REMEMBERED, QueuedCommand, Reason, Settled, Status, command_subject, result_subject

Known = QueuedCommand | Settled
Room = Callable[[int], Awaitable[None]]
"""Raises where no so many more commands may wait."""


class ReceiptStore:
    """Reads and settles receipts; every call raises PublishFailed where JetStream does not answer."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        """Read by `connection`."""
        self._connection = connection
        self._clock = clock
        self._results = Results(connection)

    def now(self) -> datetime:
        """Return the instant that commands expire by."""
        return self._clock.now()

    async def waiting(self, module: str, tenant: UUID, receipt: UUID) -> bytes | None:
        """Return the message of a command that waits in a module's queue, in any for `*`."""
        return await last_message(self._connection.client, COMMANDS, command_subject(module, tenant, receipt))

    async def result(self, tenant: UUID, receipt: UUID) -> Settled | None:
        """Return what came of a command so far: also RUNNING."""
        found = await last_message(self._connection.client, RESULTS, result_subject(tenant, receipt))
        return msgspec.json.decode(found, type=Settled) if found else None

    async def known(self, tenant: UUID, user: UUID, receipt: UUID) -> Known | None:
        """Return a receipt of `user`: its result, else the command that waits, EXPIRED if it waited too long."""
        found: Known | None = await self.result(tenant, receipt)
        if found is None:
            body = await self.waiting("*", tenant, receipt)
            found = await self._expired(msgspec.json.decode(body, type=QueuedCommand)) if body else None
        return found if found is not None and found.user == user else None

    async def all(self, tenant: UUID, user: UUID) -> list[Known]:
        """Return all receipts of `user`, the newest first."""
        waiting: list[QueuedCommand] = []
        async for page in pages(self._connection.client, COMMANDS, command_subject("*", tenant, "*")):
            waiting += [msgspec.json.decode(body, type=QueuedCommand) for _, body in page]
        settled = await self._results.of(tenant)  # read last: what is settled meanwhile is found twice, not nowhere
        found: list[Known] = [one for one in settled.values() if one.user == user]
        found += [await self._expired(one) for one in waiting if one.user == user and one.receipt not in settled]
        return sorted(found, key=lambda one: (one.queued_at, one.receipt), reverse=True)

    async def put(self, commands: Sequence[QueuedCommand], *, room: Room) -> Mapping[UUID, Known]:
        """Let commands wait, all or none, and return what is kept under each receipt: that itself, or an earlier one.

        Where JetStream did not answer it may have them: it is looked again, as what waits is to be told. Raises
        PublishFailed, or what `room` raises, which is asked for those that are new.
        """
        try:
            return await self._put(commands, room)
        except PublishFailed:
            return await self._put(commands, room)

    async def settle(self, command: QueuedCommand, status: Status, *reasons: Reason) -> Settled:
        """Give a receipt its first result, and return the one it has: another may have come first."""
        made = command.settled(status, self._clock.now(), *reasons)
        subject = result_subject(command.tenant, command.receipt)
        message = Message(subject, f"{command.receipt}-first-{status}", msgspec.json.encode(made))
        try:
            await publish_first(self._connection.client, message)
        except SubjectTaken:
            return await self.result(command.tenant, command.receipt) or made
        return made

    @asynccontextmanager
    async def changes(self, tenant: UUID, receipt: UUID) -> AsyncGenerator["asyncio.Queue[Settled]"]:
        """Collect the results of a receipt as they come, while the block runs."""
        news: asyncio.Queue[Settled] = asyncio.Queue()

        async def heard(message: Msg) -> None:
            news.put_nowait(msgspec.json.decode(message.data, type=Settled))

        async with self._connection.hearing(result_subject(tenant, receipt), heard):
            yield news

    async def _put(self, commands: Sequence[QueuedCommand], room: Room) -> Mapping[UUID, Known]:
        receipts = {one.receipt: one for one in reversed(commands)}
        found = await asyncio.gather(*(self.known(one.tenant, one.user, one.receipt) for one in receipts.values()))
        known = {one.receipt: one for one in found if one is not None}
        fresh = [one for one in commands if one is receipts[one.receipt] and one.receipt not in known]
        try:
            if fresh:
                await room(len(fresh))
                await publish_first(self._connection.client, *map(_message, fresh))
        except SubjectTaken as error:
            raise PublishFailed(f"{error} was taken meanwhile") from error
        return {**receipts, **known}

    async def _expired(self, command: QueuedCommand) -> Known:
        """Return the command, or that it waited too long: that is settled where somebody looks, or its module does."""
        if self._clock.now() < command.expires_at:
            return command
        return await self.settle(command, Status.EXPIRED, expired(command))


def _message(command: QueuedCommand) -> Message:
    remembered = command.expires_at - command.queued_at + REMEMBERED
    headers = {"Nats-TTL": f"{int(remembered.total_seconds())}s"}
    return Message(command.subject, str(command.receipt), msgspec.json.encode(command), headers)


def expired(command: QueuedCommand) -> Reason:
    """Return why an expired command was not executed."""
    return kept("EXPIRED", module=command.module)
