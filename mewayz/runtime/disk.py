"""A disk that was full: NATS gives a stream up whose file it could not write, and takes it up again only when it restarts.

Measured with nats-server 2.15.1: after ENOSPC every publish is refused or times out, also when there is room again. Events
wait in the modules' outboxes meanwhile, and commands are refused, so a restart loses nothing.
"""

import os
from collections.abc import Callable
from pathlib import Path

import anyio

from mewayz.progress import Trouble
from mewayz.servers.external import ExternalNats
from mewayz.servers.nats import Nats

_LOOK_S = 1.0
_FULL_BYTES = 1024**2
_ROOM_BYTES = 8 * 1024**2


class DiskWatch:
    """Restarts NATS once there is room again."""

    def __init__(self, nats: Nats | ExternalNats, folder: Path, *, tell: Callable[[Trouble], None]) -> None:
        """Watch the server whose streams lie on the disk of `folder`; `tell` is told when it is full."""
        self._nats = nats
        self._folder = folder
        self._tell = tell

    async def run(self) -> None:
        """Look once a second until cancelled. Whoever keeps the server starts it again.

        What the server logs of a failed write is not enough: its log may lie on the same disk, and be cut off there.
        """
        was_full = is_told = False
        while isinstance(self._nats, Nats):
            await anyio.sleep(_LOOK_S)
            free = _free_bytes(self._folder)
            was_full |= is_full(self._folder) or self._nats.failed_to_write()
            if was_full and free >= _ROOM_BYTES:
                was_full = is_told = False
                await self._nats.stop()
            elif was_full and not is_told:
                is_told = True
                self._tell(
                    Trouble("The disk is full: events wait until there is room.", f"make room at {self._folder}")
                )


def is_full(folder: Path) -> bool:
    """Tell whether the disk of a folder has no room left, or so little that writing fails any moment."""
    return _free_bytes(folder) < _FULL_BYTES


def _free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
