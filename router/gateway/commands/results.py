"""What came of a tenant's commands: read from JetStream once, then only what is new."""

import json
from collections.abc import AsyncGenerator, Mapping
from uuid import UUID

import anyio
import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError

from router.gateway.commands.connection import Connection
from shared.wire.jetstream import RESULTS, PublishFailed
from shared.wire.receipt import Settled, result_subject

_PAGE = 256
_PAGE_S = 2.0
_OF_A_TENANT = 10_000
_KEPT = 50_000
_FRESH_S = 3600.0  # what is older than 7 days is gone from the stream


class Results:
    """The newest 10,000 results of each tenant whose list was asked for lately."""

    def __init__(self, connection: Connection) -> None:
        """Read by `connection`."""
        self._connection = connection
        self._read: dict[UUID, _Read] = {}  # the one asked for last at the end

    async def of(self, tenant: UUID) -> Mapping[UUID, Settled]:
        """Return what is known of a tenant's commands by receipt, also RUNNING. Raises PublishFailed."""
        read = self._read.pop(tenant, None)
        if read is None or read.line != self._connection.line or anyio.current_time() - read.began > _FRESH_S:
            read = _Read(self._connection.line)
        self._read[tenant] = read
        async with read.lock:
            async for page in pages(self._connection.client, RESULTS, result_subject(tenant, "*"), after=read.place):
                read.take(page)
        while len(self._read) > 1 and sum(len(one.settled) for one in self._read.values()) > _KEPT:
            del self._read[next(iter(self._read))]
        return read.settled


class _Read:
    """What was read of one tenant, up to a place on the stream; on another `line` that may be another stream."""

    def __init__(self, line: tuple[int, int] | None) -> None:
        self.line = line
        self.began = anyio.current_time()
        self.lock = anyio.Lock()
        self.place = 0
        self.settled: dict[UUID, Settled] = {}  # as they lie on the stream

    def take(self, page: list[tuple[int, bytes]]) -> None:
        for self.place, body in page:
            one = msgspec.json.decode(body, type=Settled)
            self.settled.pop(one.receipt, None)
            self.settled[one.receipt] = one
        while len(self.settled) > _OF_A_TENANT:
            del self.settled[next(iter(self.settled))]


async def pages(
    client: Client, stream: str, subject: str, *, after: int = 0
) -> AsyncGenerator[list[tuple[int, bytes]]]:
    """Yield the messages of the subjects that match, each with its place on the stream, the oldest first.

    Only those `after` a place, many at a time (ADR-31, batched get). Raises PublishFailed.
    """
    more = True
    while more:
        page, more = await _page(client, stream, subject, after + 1)
        if page:
            after = page[-1][0]
            yield page


async def _page(client: Client, stream: str, subject: str, sequence: int) -> tuple[list[tuple[int, bytes]], bool]:
    """Return messages from a sequence on, and whether there are more."""
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox)  # pyright: ignore[reportUnknownMemberType]
    wanted = json.dumps({"seq": sequence, "next_by_subj": subject, "batch": _PAGE}).encode()
    found: list[tuple[int, bytes]] = []
    try:
        await client.publish(f"$JS.API.DIRECT.GET.{stream}", wanted, reply=inbox)
        while True:
            message = await subscription.next_msg(timeout=_PAGE_S)
            told = message.headers or {}
            if told.get("Status") not in (None, "204", "404"):
                raise PublishFailed(f"{stream} answered {told.get('Status')}")
            if not message.data:
                is_over = told.get("Status") == "404" or told.get("Nats-Num-Pending") == "0"
                return found, bool(found) and not is_over
            found.append((int(told["Nats-Sequence"]), message.data))
    except (NatsError, TimeoutError, OSError) as error:
        raise PublishFailed(f"{stream} is not readable: {error}") from error
    finally:
        await subscription.unsubscribe()
