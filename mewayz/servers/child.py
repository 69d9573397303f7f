"""A child process of ours: its output goes to a log, and it dies when we die."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio

_PR_SET_PDEATHSIG = 1
_ours: set[int] = set()  # children whose end is awaited by their Child
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Child:
    """One running process. Made outside any event loop, so that it may outlive one."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        death_signal: signal.Signals = signal.SIGTERM,
        uid: int | None = None,
        env: Mapping[str, str] | None = None,
        fds: Sequence[int] = (),
        order: bytes = b"",
    ) -> None:
        """Start `argv` in a session of its own, so that a terminal's Ctrl-C reaches us alone.

        `death_signal` is sent to it when we die, however we die (Linux). `fds` are the descriptors it inherits.
        `order` is what it reads from its standard input, at most 64 KiB: secrets go there, never into `argv` or `env`.
        """
        stdin, write = os.pipe()
        os.write(write, order)
        os.close(write)
        with log.open("ab") as output, os.fdopen(stdin):
            self._process = subprocess.Popen(
                argv,
                stdin=stdin,
                stdout=output,
                stderr=output,
                user=uid,
                group=uid,
                extra_groups=() if uid is not None else None,
                env=env,
                pass_fds=fds,
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(death_signal),
            )
        self.pid = self._process.pid
        _ours.add(self.pid)
        self.log = log

    @property
    def is_running(self) -> bool:
        """Whether it lives."""
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal; to one that has ended, nothing."""
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end and return the exit status, negative for a signal."""
        await process_ended(self.pid)
        _ours.discard(self.pid)
        return self._process.wait()

    async def stop(self, number: signal.Signals = signal.SIGTERM, *, grace_s: float = 15) -> None:
        """Ask it to end, wait up to `grace_s` seconds, then kill it."""
        self.send(number)
        with anyio.move_on_after(grace_s):
            await self.ended()
            return
        self.send(signal.SIGKILL)
        await self.ended()

    def last_line(self) -> str:
        """Return the last line of its log that isn't empty."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


def reap_strangers() -> None:
    """Take note of the end of processes that became ours when their parent died, so that none stays a zombie."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid not in _ours:
            os.waitpid(ended.si_pid, os.WNOHANG)


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


def die_with_parent(number: signal.Signals) -> None:
    """Have the kernel send `number` to this process when its parent's thread ends (Linux; elsewhere nothing)."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(number))
