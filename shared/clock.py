"""Time and ids, passed in: the one place that reads a clock or draws randomness for an id."""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol
from uuid import UUID

SKEW = timedelta(minutes=1)  # so far two processes' clocks may be apart: nothing is done twice for it
DEMO_NAMESPACE = UUID("6d657761-797a-5000-8000-64656d6f0000")


class Clock(Protocol):
    """Where business time and token times come from. Leases, deadlines and PostgreSQL's now() stay real."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""
        return datetime.now(UTC)  # noqa: TID251 the one place


class ShiftedClock:
    """The machine's clock plus the seconds a file holds; the file is read again when it changes (contracts.md, MEWAYZ_CLOCK)."""

    def __init__(self, path: Path) -> None:
        """Follow `path`, which holds one number: seconds added to real time."""
        self._path = path
        self._read_at = -1
        self._offset = timedelta()

    def now(self) -> datetime:
        """Return the shifted instant, aware, in UTC."""
        changed_at = self._path.stat().st_mtime_ns
        if changed_at != self._read_at:
            self._offset = timedelta(seconds=float(self._path.read_text().strip() or 0))
            self._read_at = changed_at
        return datetime.now(UTC) + self._offset  # noqa: TID251 the one place


def clock_from(setting: str | None, *, test_data: bool) -> Clock:
    """Return the clock that MEWAYZ_CLOCK names (`file:PATH`), else the machine's.

    Raises ValueError for another form, or where the data folder is not marked as test data (`<data>/TEST`).
    """
    if not setting:
        return SystemClock()
    if not setting.startswith("file:"):
        raise ValueError(f"MEWAYZ_CLOCK is {setting!r}: write file:PATH.")
    if not test_data:
        raise ValueError("MEWAYZ_CLOCK is refused outside test data: create the file TEST in the data folder first.")
    return ShiftedClock(Path(setting.removeprefix("file:")))


def new_id(at: datetime) -> UUID:
    """Return a UUIDv7 (RFC 9562, 5.7) for the instant `at`: 48 bits of milliseconds, the rest random."""
    milliseconds = int(at.timestamp() * 1000) & (1 << 48) - 1
    drawn = secrets.randbits(74)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | drawn >> 62 << 64 | 0b10 << 62 | drawn & (1 << 62) - 1)
