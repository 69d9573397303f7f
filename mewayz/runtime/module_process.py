"""One module's process through its life: prepared, started, watched, drained, restarted, parked."""

import contextlib
import os
import random
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import anyio
import msgspec

from mewayz.runtime.backoff import Backoff
from mewayz.runtime.forks import Fork, Forks, JobFailed, ZygoteGone
from mewayz.runtime.leftovers import end_leftover, note
from shared.wire.bootstrap import ModuleBootstrap
from shared.wire.control import ModuleState, ModuleStatus

_FIRST_HEARTBEAT_S = 60.0
_HEARTBEAT_S = 5.0
_DRAIN_S = 15.0
_ABORT_S = 2.0
_DOWN = (ModuleState.STOPPED, ModuleState.PARKED)

Preparation: TypeAlias = Callable[[str], Awaitable[ModuleBootstrap]]


class ModuleProcess:
    """A module and its process; `run` drives it, the other methods say what is wanted.

    `changed` is called whenever the state may have changed: the routers are told then.
    """

    def __init__(
        self,
        slug: str,
        *,
        forks: Forks,
        limit: anyio.CapacityLimiter,
        log: Path,
        socket_path: Path,
        changed: Callable[[], None],
    ) -> None:
        """Take what it needs; `limit` bounds how many modules start at the same time."""
        self.slug = slug
        self.state = ModuleState.STARTING
        self.reason: str | None = None
        self.retry_after_s: float | None = None
        self._forks = forks
        self._limit = limit
        self._log = log
        self._socket_path = socket_path
        self._pid_file = socket_path.with_suffix(".pid")
        self._changed = changed
        self._backoff = Backoff(time.monotonic, random.random)
        self._fork: Fork | None = None  # while its process lives
        self._restarts = 0
        self._bootstrap: ModuleBootstrap | None = None
        self._wanted = anyio.Event()
        self._wanted.set()
        self._to_stop = anyio.Event()
        self._kill = False

    @property
    def status(self) -> ModuleStatus:
        """What `mewayz status` says of it."""
        return ModuleStatus(
            name=self.slug,
            state=self.state,
            pid=self._fork.pid if self._fork else None,
            restarts=self._restarts,
            reason=self.reason,
        )

    async def run(self, prepare: Preparation) -> None:
        """Keep the module running, as it is wanted, until cancelled; where `prepare` raises JobFailed, it is parked."""
        await end_leftover(self._pid_file)
        while True:
            await self._wanted.wait()
            self._to_stop = anyio.Event()
            self._enter(ModuleState.STARTING)
            born = time.monotonic()
            try:
                await self._limit.acquire_on_behalf_of(self)  # given back when it is up, or is not coming up
                if self._bootstrap is None:
                    self._bootstrap = await prepare(self.slug)
                born = time.monotonic()
                self.reason = await self._live(self._bootstrap)
            except ZygoteGone:
                continue
            except JobFailed as failure:
                self._park(str(failure))
                continue
            finally:
                self._give_back_limit()
            await self._after_life(time.monotonic() - born)

    def start(self) -> None:
        """Let it run again; its code is read, and its database migrated, anew."""
        self._backoff.forget()
        self._bootstrap = None
        self._wanted.set()

    def wake(self) -> None:
        """Start it if it merely sleeps or waits for its next try; a stopped or parked module stays as it is."""
        if self.state not in _DOWN:
            self._wanted.set()

    async def stop(self, *, kill: bool = False) -> None:
        """Hold it down until `start`; return when its process is gone."""
        self._wanted = anyio.Event()
        self._kill = kill
        self._to_stop.set()
        if self._fork is None:
            self._enter(ModuleState.STOPPED)
        while self._fork is not None:  # noqa: ASYNC110 one short wait, no event to keep
            await anyio.sleep(0.01)

    async def _live(self, bootstrap: ModuleBootstrap) -> str:
        """Run one process from its birth to its end; return why it ended."""
        with _bound(self._socket_path) as listener:
            order = msgspec.json.encode(bootstrap)
            async with self._forks.fork("serve", self.slug, order, self._log, listener) as fork:
                # From here on only the child holds the socket: when it dies, waiting requests get a reset at once.
                listener.close()
                self._fork = fork
                note(self._pid_file, fork.pid)
                self._changed()
                try:
                    return await self._watch(fork)
                finally:
                    self._fork = None
                    self._socket_path.unlink(missing_ok=True)
                    self._pid_file.unlink(missing_ok=True)

    async def _watch(self, fork: Fork) -> str:
        reason = ""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch_heartbeat, fork)
            tasks.start_soon(self._drain_when_told, fork)
            reason = await fork.ended()
            tasks.cancel_scope.cancel()
        return reason

    async def _watch_heartbeat(self, fork: Fork) -> None:
        """Kill the process when it gives no sign of life for too long; SIGABRT first: its stacks go to the log."""
        allowance = _FIRST_HEARTBEAT_S
        while True:
            with anyio.move_on_after(allowance):
                if not await fork.heartbeat():
                    return
                allowance = _HEARTBEAT_S
                if self.state is ModuleState.STARTING:
                    self._give_back_limit()
                    self._enter(ModuleState.READY)
                continue
            fork.send(signal.SIGABRT)
            await anyio.sleep(_ABORT_S)
            fork.send(signal.SIGKILL)
            return

    async def _drain_when_told(self, fork: Fork) -> None:
        await self._to_stop.wait()
        if not self._kill:
            self._enter(ModuleState.DRAINING)
            fork.send(signal.SIGTERM)
            await anyio.sleep(_DRAIN_S)
        fork.send(signal.SIGKILL)

    async def _after_life(self, lived_s: float) -> None:
        if not self._wanted.is_set():
            self._enter(ModuleState.STOPPED)
            return
        if self._to_stop.is_set():  # a restart: at once
            return
        self._restarts += 1
        wait_s = self._backoff.after_death(lived_s)
        if wait_s is None:
            self._park(f"it died more than 5 times in a minute, the last time: {self.reason}")
            return
        self.retry_after_s = wait_s
        self._enter(ModuleState.BACKOFF)
        with anyio.move_on_after(wait_s):
            await self._to_stop.wait()
        self.retry_after_s = None
        if not self._wanted.is_set():
            self._enter(ModuleState.STOPPED)

    def _give_back_limit(self) -> None:
        with contextlib.suppress(RuntimeError):  # given back already
            self._limit.release_on_behalf_of(self)

    def _park(self, reason: str) -> None:
        self._wanted = anyio.Event()
        self._bootstrap = None
        self.reason = reason
        self._enter(ModuleState.PARKED)

    def _enter(self, state: ModuleState) -> None:
        if state is ModuleState.READY:
            self.reason = None
        elif state is ModuleState.STOPPED:
            self.reason = "held down by `mewayz stop`"
        self.state = state
        self._changed()


def _bound(path: Path) -> socket.socket:
    """Return a listening socket at `path`, which only our own user may connect to."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(1024)
    return listener
