"""What is known of a module from its last start: while its code is the same, it need not be loaded to be served.

One file a module, `<data>/modules/<slug>.json`. They hold no secret, and may be deleted: the next start makes them anew.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from mewayz.folders import write_whole
from mewayz.modules import REPOSITORY, module_folders
from mewayz.runtime.orders import Description
from shared.clock import SKEW

_EARLY = timedelta(seconds=1)


class Rest(msgspec.Struct, frozen=True):
    """A module at rest: it ended in order, and nothing waits in its outbox. `due_at`: its next scheduled work."""

    due_at: datetime | None = None
    since: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Tell whether its scheduled work may be due: also where the clock was ahead when it was reckoned."""
        if self.due_at is None:
            return False
        return self.due_at - _EARLY <= now or (self.since is not None and now < self.since - SKEW)


class Record(msgspec.Struct, frozen=True):
    """What is kept of one module."""

    code: str  # the digest of its code, and of the kit's
    description: Description
    rest: Rest | None = None  # None: it has to be woken, since nobody knows what it left behind


class Records:
    """The records of one data folder."""

    def __init__(self, folder: Path, further: Sequence[str], *, servers: str) -> None:
        """Read what is there; `further` are folders of modules beyond `subgraphs/`. A record holds for the same `servers`."""
        self._folder = folder
        self._module_folders = module_folders(further)
        self._platform = f"{servers}\n{_digest(REPOSITORY / 'shared')}\n{_digest(REPOSITORY / 'mewayz' / 'servers')}"
        decode = msgspec.json.Decoder(Record).decode
        self._records: dict[str, Record] = {}
        for path in folder.glob("*.json"):
            try:
                self._records[path.stem] = decode(path.read_bytes())
            except msgspec.MsgspecError:  # an older release's, or a disk that was full
                path.unlink()
        self.are_new = not self._records  # nothing was started here before

    def fitting(self, slug: str) -> Record | None:
        """Return the record of module `slug`, if its code is as it was when that was made."""
        record = self._records.get(slug)
        return record if record is not None and record.code == self._code(slug) else None

    def rest(self, slug: str) -> Rest | None:
        """Return whether, and how, a module rests."""
        record = self._records.get(slug)
        return record.rest if record else None

    def keep(self, slug: str, description: Description, *, is_new: bool) -> Record:
        """Keep what a module said of itself; one whose database is new rests."""
        rest = self.rest(slug) or (Rest() if is_new else None)
        return self._write(slug, Record(self._code(slug), description, rest))

    def rests(self, slug: str, rest: Rest | None) -> None:
        """Note that a module rests, or, with None, that it does no longer: that is on disk on return."""
        record = self._records.get(slug)
        if record is not None and record.rest != rest:
            self._write(slug, msgspec.structs.replace(record, rest=rest), sync=rest is None)

    def forget(self, slug: str) -> None:
        """Have a module prepared anew at its next start; whether it rests is still known."""
        if (record := self._records.get(slug)) is not None:
            self._write(slug, msgspec.structs.replace(record, code=""))

    def forget_all(self) -> None:
        """Know nothing any more: the servers are new."""
        for slug in self._records:
            (self._folder / f"{slug}.json").unlink(missing_ok=True)
        self._records.clear()
        self.are_new = True

    def _write(self, slug: str, record: Record, *, sync: bool = False) -> Record:
        self._records[slug] = record
        write_whole(self._folder / f"{slug}.json", msgspec.json.encode(record), sync=sync)
        return record

    def _code(self, slug: str) -> str:
        folder = next((one / slug for one in self._module_folders if (one / slug).is_dir()), None)
        own = _digest(folder) if folder else ""
        return hashlib.sha256(f"{self._platform}\n{own}".encode()).hexdigest()


def _digest(folder: Path) -> str:
    """Return a digest of the names, times and sizes of a folder's code; tests don't count."""
    lines = sorted(f"{path}:{found.st_mtime_ns}:{found.st_size}" for path, found in _code_files(folder))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _code_files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    for entry in os.scandir(folder):
        if entry.is_dir():
            if entry.name not in ("tests", "__pycache__"):
                yield from _code_files(Path(entry.path))
        elif entry.name.endswith((".py", ".sql")):
            yield entry.path, entry.stat()
