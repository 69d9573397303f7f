"""The gateway's connection to NATS: made in the background, so that a router starts and answers without it."""

from collections.abc import Awaitable, Callable

import anyio
import structlog
from anyio.abc import TaskGroup
from nats.aio.client import Client
from nats.errors import Error as NatsError

from shared.wire.jetstream import PublishFailed, connect

_RETRY_S = 0.5
GATEWAY = "gateway"

log = structlog.get_logger()


class Connection:
    """A connection that may not be there yet."""

    def __init__(self, url: str, user: str, password: str) -> None:
        """Take address and user; nothing happens before `follow` runs."""
        self._url = url
        self._user = user
        self._password = password
        self._client: Client | None = None
        self._made = 0

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

    async def follow(self, listen: Callable[[Client, TaskGroup], Awaitable[None]]) -> None:
        """Connect, let `listen` subscribe, and stay until cancelled; a lost connection comes back by itself."""
        client = await self._connected()
        try:
            async with anyio.create_task_group() as tasks:
                await listen(client, tasks)
                self._made += 1
                self._client = client
                await anyio.sleep_forever()
        finally:
            self._client = None
            with anyio.CancelScope(shield=True):
                await client.close()

    async def _connected(self) -> Client:
        while True:
            try:
                return await connect(self._url, user=self._user, password=self._password, name=GATEWAY)
            except (NatsError, OSError) as error:
                log.warning("queue_not_connected", error=str(error) or type(error).__name__)
                await anyio.sleep(_RETRY_S)
