"""The pipe through which a module gives signs of life: a named one, so that a supervisor's successor can read on."""

import contextlib
import os
from pathlib import Path
from typing import Self

import anyio
import msgspec

from shared.wire.heartbeat import Beat

_decode = msgspec.json.Decoder(Beat).decode


class Pulse:
    """The reading end, and for a fresh pipe the writing end too; a context manager that closes what is open."""

    def __init__(self, path: Path) -> None:
        """Read from the pipe at `path`, which exists."""
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._unread = b""
        self.writer: int | None = None
        self.last = Beat()

    @classmethod
    def fresh(cls, path: Path) -> Self:
        """Make the pipe at `path` anew, with a `writer` for the module's process; a full pipe never blocks it."""
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        pulse = cls(path)
        pulse.writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        return pulse

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what is open."""
        self.let_go()
        os.close(self._fd)

    def let_go(self) -> None:
        """Close the writing end: the module's process has one of its own."""
        if self.writer is not None:
            os.close(self.writer)
            self.writer = None

    async def beats(self) -> bool:
        """Wait for the next sign of life, which is `last` then; False when there will be none."""
        await anyio.wait_readable(self._fd)
        return self.read()

    def read(self) -> bool:
        """Take what has been written; False when nobody can write any more."""
        try:
            chunk = os.read(self._fd, 65536)
        except BlockingIOError:
            return True
        *lines, self._unread = (self._unread + chunk).split(b"\n")
        if lines:
            with contextlib.suppress(msgspec.MsgspecError):
                self.last = _decode(lines[-1])
        return bool(chunk)
