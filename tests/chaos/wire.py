"""The line between a module and NATS, in the hand of a test: what the server says can be swallowed, and the line cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

_CHUNK = 65536


class Wire:
    """A relay of TCP connections to `url`; `Wire.to` starts one, the module connects to its own `url`."""

    def __init__(self, url: str) -> None:
        """Lead to the server at `url`."""
        self._server = urlsplit(url)
        self._port = 0
        self._swallows = False
        self._swallowed = 0
        self._writers: set[asyncio.StreamWriter] = set()

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator["Wire"]:
        """Run one."""
        wire = cls(url)
        server = await asyncio.start_server(wire._carry, "127.0.0.1", 0)
        wire._port = server.sockets[0].getsockname()[1]
        try:
            yield wire
        finally:
            server.close()
            wire.cut()

    @property
    def url(self) -> str:
        """Where to connect to."""
        return f"nats://127.0.0.1:{self._port}"

    @property
    def swallowed(self) -> int:
        """How many bytes of the server's were swallowed."""
        return self._swallowed

    def swallow(self) -> None:
        """Let nothing of what the server says arrive any more."""
        self._swallows = True

    def listen(self) -> None:
        """Let what the server says arrive again; what was swallowed never does."""
        self._swallows = False

    def cut(self) -> None:
        """Break all connections; the next ones are whole again."""
        self._swallows = False
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(self._server.hostname, self._server.port)
        self._writers |= {writer, to_server}
        await asyncio.gather(self._pass_on(reader, to_server), self._pass_on(from_server, writer, swallows=True))

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, swallows: bool = False
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                if swallows and self._swallows:
                    self._swallowed += len(chunk)
                    continue
                writer.write(chunk)
                await writer.drain()
        writer.close()
