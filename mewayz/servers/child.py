"""A child process of ours, whose output goes to a log, and one that our predecessor had started."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio

from mewayz.servers.leftovers import Process, process_ended, start_time
from mewayz.servers.lifeline import end_with, open_lifeline

_PR_SET_CHILD_SUBREAPER = 36
_ours: set[int] = set()  # children whose end is awaited by their Child


class Child:
    """One running process. Made outside any event loop, so that it may outlive one."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        lifeline: int | None = None,
        death_signal: signal.Signals = signal.SIGTERM,
        uid: int | None = None,
        env: Mapping[str, str] | None = None,
        fds: Sequence[int] = (),
        order: bytes = b"",
    ) -> None:
        """Start `argv` in a session of its own, so that a terminal's Ctrl-C reaches us alone.

        `death_signal` is sent to it when the `lifeline` ends. `fds` are the descriptors it inherits. `order` is what it
        reads from its standard input, at most 64 KiB: secrets go there, never into `argv` or `env`.
        """
        line = open_lifeline(lifeline) if lifeline is not None else None
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
                pass_fds=fds if line is None else [*fds, line],
                start_new_session=True,
                preexec_fn=None if line is None else lambda: end_with(line, death_signal),
            )
        if line is not None:
            os.close(line)
        self.pid = self._process.pid
        own(self.pid)
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
        disown(self.pid)
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


class Adopted(Child):
    """A process that our predecessor started, by the same log: it has no exit status for us."""

    def __init__(self, process: Process, log: Path) -> None:
        """Follow `process`."""
        self.pid = process.pid
        self.log = log
        self._held = process
        self._born = start_time(process.pid)

    @property
    def is_running(self) -> bool:
        """Whether it lives."""
        return start_time(self.pid) == self._born != ""

    def send(self, number: signal.Signals) -> None:
        """Send a signal; to one that has ended, nothing."""
        self._held.send(number)

    async def ended(self) -> int:
        """Wait for its end."""
        await self._held.ended()
        return 0


def become_reaper() -> None:
    """Have processes become our children when their parent dies (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def own(pid: int) -> None:
    """Leave the end of child `pid` to whoever waits for it."""
    _ours.add(pid)


def disown(pid: int) -> None:
    """Forget a child that has ended."""
    _ours.discard(pid)


def reap_strangers() -> None:
    """Take note of the end of processes that became ours when their parent died, so that none stays a zombie."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid not in _ours:
            os.waitpid(ended.si_pid, os.WNOHANG)
