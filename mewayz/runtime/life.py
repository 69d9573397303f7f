"""One process of a module, from its birth to its end: its signs of life, its memory, its drain."""

import os
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import anyio

from mewayz.runtime.fork import Fork
from mewayz.runtime.pulse import Pulse
from mewayz.runtime.records import Rest

_FIRST_BEAT_S = 60.0
_BEAT_S = 5.0
_DRAIN_S = 15.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Life:
    """A module's process while it runs; `watch` follows it to its end."""

    def __init__(self, fork: Fork, pulse: Pulse, *, memory_mb: int, first_beat_s: float = _FIRST_BEAT_S) -> None:
        """Take the process, its signs of life, and how much memory of its own it may hold.

        One that is not up after `first_beat_s`, or later is silent for 5 s, hangs, and is killed.
        """
        self._first_beat_s = first_beat_s
        self.pid = fork.pid
        self._fork = fork
        self._pulse = pulse
        self._memory_mb = memory_mb
        self._verdict: str | None = None
        self._over = anyio.Event()

    @property
    def idle_s(self) -> float:
        """How many seconds it has had nothing in hand."""
        return self._pulse.last.idle_s

    @property
    def due_at(self) -> datetime | None:
        """When its next scheduled work is due; None where it has none."""
        return self._pulse.last.due_at

    @property
    def rest(self) -> Rest | None:
        """How it rests, once it has ended in order with nothing left to send."""
        return Rest(self.due_at, since=self._pulse.last.at) if self._pulse.last.settled else None

    async def watch(self, is_up: Callable[[], None]) -> str:
        """Follow it to its end and return why it ended; `is_up` is called at its first sign of life."""
        reason = ""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._follow, is_up)
            reason = await self._fork.ended()
            self._over.set()
            tasks.cancel_scope.cancel()
        self._pulse.read()  # its last words
        return self._verdict or reason

    async def drain(self, *, kill: bool = False) -> None:
        """End it: in order, after 15 s by force, or by force at once; return when it is gone."""
        if not kill:
            self._fork.send(signal.SIGTERM)
            with anyio.move_on_after(_DRAIN_S):
                await self._over.wait()
                return
        self._fork.send(signal.SIGKILL)
        await self._over.wait()

    async def _follow(self, is_up: Callable[[], None]) -> None:
        allowance, is_new = self._first_beat_s, True
        while True:
            with anyio.move_on_after(allowance):
                if not await self._pulse.beats():
                    return
                if is_new:
                    is_up()
                    allowance, is_new = _BEAT_S, False
                await self._check_memory()
                continue
            self._verdict = f"it gave no sign of life for {allowance:.0f} s"
            await self._fork.end_hung()
            return

    async def _check_memory(self) -> None:
        held_mb = _private_mb(self.pid)
        if held_mb <= self._memory_mb:
            return
        self._verdict = f"it held {held_mb} MB of memory; its ceiling is {self._memory_mb} MB"
        await self.drain()


def _private_mb(pid: int) -> int:
    """Return how many MB of memory a process doesn't share with the file system; 0 for one that is gone."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return (int(resident) - int(shared)) * _PAGE_BYTES // 1_000_000
