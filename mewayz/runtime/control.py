"""The supervisor's control socket, the serving side (shared/wire/control.py says what is spoken)."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import msgspec

from shared.errors import MewayzError
from shared.wire.control import Answer, Request, States, Wake, Watch

_LONGEST_REQUEST = 64 * 1024


class Control:
    """Serves requests; `answer` does what is asked, `states` and `changed` feed those who watch."""

    def __init__(
        self,
        path: Path,
        *,
        answer: Callable[[Request], Awaitable[Any]],
        states: Callable[[], States],
        changed: Callable[[], anyio.Event],
    ) -> None:
        """Take the socket's path and what to call; `changed` returns the event of the next change."""
        self._path = path
        self._answer = answer
        self._states = states
        self._changed = changed

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Serve inside the block; only our own user may connect."""
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(self._talk, self._path, limit=_LONGEST_REQUEST)
        finally:
            os.umask(before)
        try:
            yield
        finally:
            server.close()
            self._path.unlink(missing_ok=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder = msgspec.json.Decoder(Request)
        with contextlib.suppress(ConnectionError, ValueError, asyncio.CancelledError):
            async with anyio.create_task_group() as tasks:
                while line := await reader.readline():
                    try:
                        request = decoder.decode(line)
                    except msgspec.DecodeError as error:
                        await _say(writer, Answer(error=f"That is no request: {error}."))
                        continue
                    if isinstance(request, Watch):
                        tasks.start_soon(self._tell_states, writer)
                    elif isinstance(request, Wake):
                        await self._answer(request)
                    else:
                        await _say(writer, await self._answered(request))
                tasks.cancel_scope.cancel()
        writer.close()

    async def _answered(self, request: Request) -> Any:
        try:
            return await self._answer(request)
        except MewayzError as error:
            return Answer(error=error.message)

    async def _tell_states(self, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                next_change = self._changed()
                await _say(writer, self._states())
                await next_change.wait()


async def _say(writer: asyncio.StreamWriter, message: Any) -> None:
    writer.write(msgspec.json.encode(message) + b"\n")
    await writer.drain()
