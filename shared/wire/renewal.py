"""What a process was told at its birth, as it is now: keys and passwords change while it runs."""

from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import structlog

from shared.wire.bootstrap import ModuleBootstrap, RouterBootstrap

Bootstrap = TypeVar("Bootstrap", ModuleBootstrap, RouterBootstrap)
LOOK_S = 1.0  # so often a process looks, whether or not it needs anything

log = structlog.get_logger()


class Told(Generic[Bootstrap]):
    """A bootstrap; where it names a file, that file's content wins as soon as it is there, and whenever it changes.

    `look` costs a few microseconds, so that whoever meets a key or a password that doesn't fit looks first.
    """

    def __init__(self, bootstrap: Bootstrap) -> None:
        """Begin with what came at birth, or with what the file says by now."""
        self.now = bootstrap
        self._file = Path(bootstrap.renewed) if bootstrap.renewed else None
        self._decode = msgspec.json.Decoder(type(bootstrap)).decode
        self._seen: tuple[int, int, int] | None = None
        self.look()

    def look(self) -> None:
        """Read the file if it has changed; one that can't be read changes nothing, and is logged."""
        stamp = self._stamp()
        if self._file is None or stamp in (None, self._seen):
            return
        try:
            self.now = self._decode(self._file.read_bytes())
        except (OSError, msgspec.MsgspecError) as error:
            log.error("bootstrap_unreadable", path=str(self._file), error=type(error).__name__)
            return
        if self._seen is not None:
            log.info("secrets_renewed", path=str(self._file))
        self._seen = stamp

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._file.stat() if self._file else None
        except OSError:
            return None
        return (found.st_ino, found.st_mtime_ns, found.st_size) if found else None
