"""The processes of a platform that tests kill, suspend and look at; any of them may end while it is looked at."""

import contextlib
from pathlib import Path

import psutil

from tests.services import Platform
from tests.waiting import until


def supervisor_of(platform: Platform) -> psutil.Process:
    """Return the supervisor that runs now."""
    children = psutil.Process(platform.pid).children()
    return next(process for process in children if "mewayz.runtime.supervisor" in _command(process))


def zygote_of(platform: Platform, *, but: psutil.Process | None = None) -> psutil.Process:
    """Return the zygote, once there is one other than `but`."""
    found: list[psutil.Process] = []

    def is_there() -> bool:
        family = psutil.Process(platform.pid).children(recursive=True)
        found[:] = [process for process in family if "zygote" in _command(process) and process != but]
        return bool(found)

    until(is_there)
    return found[0]


def is_gone(process: psutil.Process) -> bool:
    """Whether a process has ended; whoever adopted it may be slow to bury it."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def is_alive(pid: int) -> bool:
    """Whether there is a process of this id that has not ended."""
    try:
        return not is_gone(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False


def shown(process: psutil.Process) -> bytes:
    """Return command line and environment of a process, nothing of one that has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return b"".join(Path(f"/proc/{process.pid}/{what}").read_bytes() for what in ("cmdline", "environ"))
    return b""


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
