"""Processes that outlived their supervisor: noted in a file, so that the next one can end them (events.md G)."""

import contextlib
import os
import signal
from pathlib import Path

import anyio

from mewayz.servers.child import process_ended

_GRACE_S = 15.0


def note(path: Path, pid: int) -> None:
    """Note process `pid` in the file `path`, with its start time: a process id alone may be used again."""
    path.write_text(f"{pid} {_start_time(pid)}")


async def end_leftover(path: Path) -> None:
    """End the process that `path` notes, if it still runs: in order, after 15 s by force."""
    pid = _noted(path)
    if pid is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        with anyio.move_on_after(_GRACE_S):
            await process_ended(pid)
        os.kill(pid, signal.SIGKILL)  # to a zombie this does nothing
        await process_ended(pid)


def _noted(path: Path) -> int | None:
    """Return the process that `path` notes, if that one, and not a later one of the same id, runs."""
    if not path.exists():
        return None
    pid, _, start_time = path.read_text().partition(" ")
    return int(pid) if start_time and _start_time(int(pid)) == start_time else None


def _start_time(pid: int) -> str:
    """Return when a process started, in ticks since boot; empty where there is none (proc(5), stat, field 22)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return ""
    return stat.rpartition(")")[2].split()[19]
