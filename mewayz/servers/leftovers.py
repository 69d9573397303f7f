"""Processes that outlived their supervisor: noted in a file, so that the next takes them over, or ends them (events.md G)."""

import os
import signal
from pathlib import Path

import anyio

_GRACE_S = 15.0


class Process:
    """A process, held by a descriptor: once it has ended, its id may be a stranger's."""

    def __init__(self, pid: int) -> None:
        """Hold process `pid`, which may have ended."""
        self.pid = pid
        try:
            self._fd = os.pidfd_open(pid)
        except ProcessLookupError:
            self._fd = -1

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; to one that has ended, nothing."""
        if self._fd >= 0:
            try:
                signal.pidfd_send_signal(self._fd, number)
            except ProcessLookupError:
                return

    async def ended(self) -> None:
        """Wait until it has ended, whoever its parent is."""
        if self._fd < 0:
            return
        fd = os.dup(self._fd)  # several may wait
        try:
            await anyio.wait_readable(fd)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Let it go."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def note(path: Path, pid: int) -> None:
    """Note process `pid` in the file `path`, with its start time: a process id alone may be used again."""
    path.write_text(f"{pid} {start_time(pid)}")


async def end_leftover(path: Path) -> None:
    """End the process that `path` notes, if it still runs: in order, after 15 s by force."""
    process = noted(path)
    if process is None:
        return
    process.send(signal.SIGTERM)
    with anyio.move_on_after(_GRACE_S):
        await process.ended()
    process.send(signal.SIGKILL)  # to a zombie this does nothing
    await process.ended()
    process.close()


def noted(path: Path) -> Process | None:
    """Return the process that `path` notes, if that one, and not a later one of the same id, runs."""
    if not path.exists():
        return None
    pid, _, born = path.read_text().partition(" ")
    if not born or not pid.isdigit():
        return None
    process = Process(int(pid))
    if start_time(process.pid) == born:  # asked while it is held: so this is it
        return process
    process.close()
    return None


def start_time(pid: int) -> str:
    """Return when a running process started, in ticks since boot; empty for one that has ended (proc(5), stat)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state in "ZX" else fields[18]


async def process_ended(pid: int) -> None:
    """Wait until process `pid`, a child of ours, has ended."""
    process = Process(pid)
    try:
        await process.ended()
    finally:
        process.close()
