"""The gateway's connection to NATS: made in the background, so that a router starts and answers without it."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import anyio
import structlog
from anyio.abc import TaskGroup, TaskStatus
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from shared.wire.jetstream import PublishFailed, connect, settled
from shared.wire.renewal import LOOK_S

_RETRY_S = 0.5
_ANSWERED_S = 2.5  # whatever was asked by a connection has been answered by then, or has been given up
GATEWAY = "gateway"

Listen = Callable[[Client, TaskGroup], Awaitable[None]]
Hear = Callable[[Msg], Awaitable[None]]
_Line = tuple[Client, tuple[str, str]]
log = structlog.get_logger()


class Connection:
    """A connection that may not be there yet, and that is exchanged for another when the user changes."""

    def __init__(self, url: str, login: Callable[[], tuple[str, str]]) -> None:
        """Take the address, and what returns user and password; nothing happens before `follow` runs."""
        self._url = url
        self._login = login
        self._client: Client | None = None
        self._made = 0
        self._heard: dict[object, tuple[str, Hear, Subscription]] = {}

    @property
    def line(self) -> tuple[int, int] | None:
        """Another value for each time the connection was made, None while there is none: what may have been missed."""
        client = self._client
        return (self._made, client.stats["reconnects"]) if client is not None and client.is_connected else None

    @property
    def client(self) -> Client:
        """The connection. Raises PublishFailed where there is none."""
        if self._client is None or not self._client.is_connected:
            raise PublishFailed("there is no connection to NATS")
        return self._client

    @property
    def is_made(self) -> bool:
        """Whether there is a connection now."""
        return self._client is not None and self._client.is_connected

    @asynccontextmanager
    async def hearing(self, subject: str, heard: Hear) -> AsyncGenerator[None]:
        """Have `heard` called with what comes on a subject while the block runs. Raises PublishFailed."""
        key = object()
        self._heard[key] = subject, heard, await self._subscribed(subject, heard)
        try:
            yield
        finally:
            with suppress(NatsError):  # its connection is closed: so is the subscription
                await self._heard.pop(key)[2].unsubscribe()

    async def follow(self, listen: Listen) -> None:
        """Connect, let `listen` subscribe, and stay until cancelled; a lost connection comes back by itself.

        For another user there is another connection, and the one before is left when all that it asked is answered.
        """
        try:
            async with anyio.create_task_group() as lines:
                while True:
                    left = anyio.Event()
                    client, used = await lines.start(self._line, listen, left)
                    while self._login() == used and not client.is_closed:  # noqa: ASYNC110 neither has an event
                        await anyio.sleep(LOOK_S)
                    left.set()
        finally:
            self._client = None

    async def _line(self, listen: Listen, left: anyio.Event, *, task_status: TaskStatus[_Line]) -> None:
        """Be connected as one user until that is `left`."""
        client, used = await self._connected()
        try:
            async with anyio.create_task_group() as tasks:
                await listen(client, tasks)
                with suppress(NatsError):  # it broke already: it is told all again when it is back
                    await settled(client)
                await self._exchange(client)
                task_status.started((client, used))
                await left.wait()
                await anyio.sleep(_ANSWERED_S)
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await client.close()

    async def _exchange(self, client: Client) -> None:
        """Ask and hear by this connection from now on."""
        self._client = client
        self._made += 1
        for key, (subject, heard, _) in list(self._heard.items()):
            subscription = await self._subscribed(subject, heard)
            if key in self._heard:
                self._heard[key] = subject, heard, subscription
            else:
                await subscription.unsubscribe()

    async def _connected(self) -> _Line:
        while True:
            user, password = self._login()
            try:
                return await connect(self._url, user=user, password=password, name=GATEWAY), (user, password)
            except (NatsError, OSError) as error:
                log.warning("queue_not_connected", error=str(error) or type(error).__name__)
                await anyio.sleep(_RETRY_S)

    async def _subscribed(self, subject: str, heard: Hear) -> Subscription:
        return await self.client.subscribe(subject, cb=heard)  # pyright: ignore[reportUnknownMemberType]
