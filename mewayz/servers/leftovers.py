"""Processes that outlived their supervisor: noted in a file, so that the next one can end them (events.md G)."""

import contextlib
import os
import signal
from pathlib import Path

import anyio

_GRACE_S = 15.0


def note(path: Path, pid: int) -> None:
    """Note process `pid` in the file `path`, with its start time: a process id alone may be used again."""
    path.write_text(f"{pid} {start_time(pid)}")


async def end_leftover(path: Path) -> None:
    """End the process that `path` notes, if it still runs: in order, after 15 s by force."""
    pid = noted(path)
    if pid is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        with anyio.move_on_after(_GRACE_S):
            await process_ended(pid)
        os.kill(pid, signal.SIGKILL)  # to a zombie this does nothing
        await process_ended(pid)


def noted(path: Path) -> int | None:
    """Return the process that `path` notes, if that one, and not a later one of the same id, runs."""
    if not path.exists():
        return None
    pid, _, born = path.read_text().partition(" ")
    return int(pid) if born and start_time(int(pid)) == born else None


def start_time(pid: int) -> str:
    """Return when a running process started, in ticks since boot; empty for one that has ended (proc(5), stat)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state in "ZX" else fields[18]


async def process_ended(pid: int) -> None:
    """Wait until process `pid` has ended, whoever its parent is."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        await anyio.wait_readable(fd)
    finally:
        os.close(fd)
