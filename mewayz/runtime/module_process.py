"""One module's process through its life: prepared, asleep, started, watched, put to sleep, drained, restarted, parked."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import anyio
import msgspec

from mewayz.folders import Folders
from mewayz.runtime.backoff import Backoff
from mewayz.runtime.disk import is_full
from mewayz.runtime.fork import Fork, JobFailed, JobInterrupted, ZygoteGone
from mewayz.runtime.forks import Forks
from mewayz.runtime.life import Life
from mewayz.runtime.pulse import Pulse
from mewayz.runtime.records import Records
from mewayz.servers.leftovers import Process, end_leftover, note, noted
from shared.wire.bootstrap import ModuleBootstrap
from shared.wire.control import ModuleState, ModuleStatus

_HEARD_S = 0.25  # in that time the routers have heard of a new state, and what they had sent before has come
_DOWN = (ModuleState.STOPPED, ModuleState.PARKED)
_STOPPED = "held down by `mewayz stop`"
_AGAIN_S = 1.0


class Preparation(Protocol):
    """Prepares a module."""

    async def __call__(self, slug: str) -> ModuleBootstrap:
        """Return what the module's process is told. Raises JobFailed, or JobInterrupted for what passes."""
        ...


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
        folders: Folders,
        records: Records,
        memory_mb: int,
        changed: Callable[[], None],
    ) -> None:
        """Take what it needs; `limit` bounds how many modules start at the same time."""
        self.slug = slug
        self.state = ModuleState.STARTING
        self.reason: str | None = None
        self.retry_after_s: float | None = None
        self._forks = forks
        self._limit = limit
        self._log = folders.log / f"{slug}.log"
        self._socket_path = folders.module_socket(slug)
        self._pid_file = self._socket_path.with_suffix(".pid")
        self._down_file = self._socket_path.with_suffix(".down")
        self._pulse_path = self._socket_path.with_suffix(".beat")
        self._records = records
        self._memory_mb = memory_mb
        self._changed = changed
        self._backoff = Backoff(time.monotonic, random.random)
        self.life: Life | None = None
        self._adopted: Process | None = None  # the process that an earlier supervisor had forked
        self._restarts = 0
        self._died_of: str | None = None  # why it was last started again without being told to
        self._bootstrap: ModuleBootstrap | None = None
        self._wanted = anyio.Event()  # unless it is stopped or parked
        self._wanted.set()
        self._stirred = anyio.Event()  # unless it sleeps
        self._to_stop = anyio.Event()
        self._kill = False

    @property
    def status(self) -> ModuleStatus:
        """What `mewayz status` says of it."""
        return ModuleStatus(
            name=self.slug,
            state=self.state,
            pid=self.life.pid if self.life else self._adopted.pid if self._adopted else None,
            restarts=self._restarts,
            reason=self.reason or (self._forks.trouble if self.state is ModuleState.STARTING else self._died_of),
        )

    @property
    def is_adopted(self) -> bool:
        """Whether its process is one that an earlier supervisor had forked."""
        return self._adopted is not None

    def adopt(self) -> None:
        """Take over what an earlier supervisor left: the process it had forked, or that it was held down."""
        if self._down_file.exists():
            state, _, self.reason = self._down_file.read_text().partition(" ")
            self._wanted = anyio.Event()
            self.state = ModuleState(state)
        elif (process := noted(self._pid_file)) is not None:
            self._adopted = process
            self._stirred.set()
            self.state = ModuleState.READY

    async def run(self, prepare: Preparation) -> None:
        """Keep the module running, as it is wanted, until cancelled; where `prepare` raises JobFailed, it is parked."""
        await self._begin(prepare)
        while True:
            await self._wanted.wait()
            self._to_stop = anyio.Event()
            born = time.monotonic()
            try:
                if self._bootstrap is None:
                    self._bootstrap = await self._prepared(prepare)
                self.reason = await self._live(self._bootstrap)
            except ZygoteGone:
                continue
            except (JobInterrupted, OSError) as interruption:  # a server is away, the disk is full
                self.reason = str(interruption)
                await self._wait_in_backoff(_AGAIN_S)
                continue
            except JobFailed as failure:
                self._hold_down(ModuleState.PARKED, str(failure))
                continue
            finally:
                self._give_back_limit()
            await self._after_life(time.monotonic() - born)

    def start(self) -> None:
        """Let it run again; its code is read, and its database migrated, anew."""
        self._down_file.unlink(missing_ok=True)
        self._backoff.forget()
        self._died_of = None
        if self._records.fitting(self.slug) is None:
            self._forks.reload(self.slug)
        self._prepare_anew()
        self._stirred.set()
        self._wanted.set()

    def wake(self) -> None:
        """Start it if it sleeps; a stopped or parked module stays as it is."""
        if self.state not in _DOWN:
            self._stirred.set()

    async def doze(self) -> None:
        """Put it to sleep, unless somebody wants it while the routers are told."""
        life, self._stirred = self.life, anyio.Event()
        self._enter(ModuleState.ASLEEP)
        with anyio.move_on_after(_HEARD_S):
            await self._stirred.wait()
        if life is None or life is not self.life:
            return
        if self._stirred.is_set():
            self._enter(ModuleState.READY)
        else:
            await life.drain()

    async def stop(self, *, kill: bool = False) -> None:
        """Hold it down until `start`; return when its process is gone."""
        self._wanted = anyio.Event()
        self._kill = kill
        self._to_stop.set()
        self._stirred.set()
        if self.life is None:
            self._hold_down(ModuleState.STOPPED, _STOPPED)
        while self.life is not None:  # noqa: ASYNC110 one short wait, no event to keep
            await anyio.sleep(0.01)

    async def _begin(self, prepare: Preparation) -> None:
        """Follow what an earlier supervisor left to its end, as ours; or end what is left of an earlier platform."""
        if self._adopted is None:
            await end_leftover(self._pid_file)
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._prepare_ahead, prepare)
            await self._live_on(self._adopted)
            tasks.cancel_scope.cancel()
        self._adopted = None
        await self._after_life(0.0)

    async def _prepare_ahead(self, prepare: Preparation) -> None:
        with contextlib.suppress(JobFailed, JobInterrupted, ZygoteGone):
            self._bootstrap = await prepare(self.slug)

    async def _prepared(self, prepare: Preparation) -> ModuleBootstrap:
        self._enter(ModuleState.STARTING)
        async with self._limit:
            return await prepare(self.slug)

    async def _live(self, bootstrap: ModuleBootstrap) -> str:
        """Sleep until somebody wants it, then run one process from its birth to its end; return why it ended."""
        with _bound(self._socket_path) as listener:
            await self._sleep(listener)
            if self._to_stop.is_set():
                return ""
            self._enter(ModuleState.STARTING)
            await self._limit.acquire_on_behalf_of(self)  # given back when it is up, or is not coming up
            self._records.rests(self.slug, None)
            await self._forks.load(self.slug)
            with Pulse.fresh(self._pulse_path) as pulse:
                assert pulse.writer is not None
                given = [listener.fileno(), pulse.writer]
                forking = self._forks.fork("serve", self.slug, msgspec.json.encode(bootstrap), self._log, given)
                async with forking as fork:
                    # From here on only the child holds the socket: when it dies, waiting requests get a reset.
                    listener.close()
                    pulse.let_go()
                    try:
                        note(self._pid_file, fork.pid)
                    except OSError:  # a supervisor's successor would not find it
                        fork.send(signal.SIGKILL)
                        raise
                    try:
                        return await self._watch(Life(fork, pulse, memory_mb=self._memory_mb))
                    finally:
                        self._socket_path.unlink(missing_ok=True)

    async def _live_on(self, process: Process) -> None:
        """Follow a process that an earlier supervisor had forked, to its end."""
        with Pulse(self._pulse_path) as pulse:
            fork = Fork(process)
            try:
                self.reason = await self._watch(Life(fork, pulse, memory_mb=self._memory_mb))
            finally:
                fork.close()

    async def _watch(self, life: Life) -> str:
        self.life = life
        self._changed()
        reason = ""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._drain_when_told, life)
                reason = await life.watch(self._is_up)
                tasks.cancel_scope.cancel()
            self._records.rests(self.slug, life.rest)
            return reason
        finally:
            self.life = None
            self._pid_file.unlink(missing_ok=True)

    async def _sleep(self, listener: socket.socket) -> None:
        """Wait for a reason to be awake: `wake`, `stop`, or a connection."""
        if self._stirred.is_set():
            return
        self._enter(ModuleState.ASLEEP)
        loop = asyncio.get_running_loop()
        loop.add_reader(listener, self._stirred.set)
        try:
            await self._stirred.wait()
        finally:
            loop.remove_reader(listener)

    async def _drain_when_told(self, life: Life) -> None:
        await self._to_stop.wait()
        if not self._kill:
            self._enter(ModuleState.DRAINING)
        await life.drain(kill=self._kill)

    async def _after_life(self, lived_s: float) -> None:
        if not self._wanted.is_set():
            self._hold_down(ModuleState.STOPPED, _STOPPED)
            return
        if self._to_stop.is_set() or self.state is ModuleState.ASLEEP:  # a restart, or it was put to sleep
            return
        self._restarts += 1
        self._died_of = f"the last time: {self.reason}"
        if is_full(self._log.parent):  # no module is given up for that, whatever it dies of
            await self._wait_in_backoff(_AGAIN_S)
            return
        if self.state is ModuleState.STARTING:  # it never came up: perhaps its database is not what we think
            self._prepare_anew()
        wait_s = self._backoff.after_death(lived_s)
        if wait_s is None:
            why = f"it died more than 5 times in a minute, the last time: {self.reason}"
            self._hold_down(ModuleState.PARKED, why)
            return
        await self._wait_in_backoff(wait_s)

    async def _wait_in_backoff(self, wait_s: float) -> None:
        self.retry_after_s = wait_s
        self._enter(ModuleState.BACKOFF)
        with anyio.move_on_after(wait_s):
            await self._to_stop.wait()
        self.retry_after_s = None
        if not self._wanted.is_set():
            self._hold_down(ModuleState.STOPPED, _STOPPED)

    def _is_up(self) -> None:
        self._give_back_limit()
        if self.state is ModuleState.STARTING:
            self._enter(ModuleState.READY)

    def _give_back_limit(self) -> None:
        with contextlib.suppress(RuntimeError):  # given back already
            self._limit.release_on_behalf_of(self)

    def _prepare_anew(self) -> None:
        self._bootstrap = None
        self._records.forget(self.slug)

    def _hold_down(self, state: ModuleState, reason: str) -> None:
        self._wanted = anyio.Event()
        self._bootstrap = None
        with contextlib.suppress(OSError):  # a disk that is full: only a successor would read it
            self._down_file.write_text(f"{state} {reason}")
        self._enter(state)
        self.reason = reason
        self._changed()

    def _enter(self, state: ModuleState) -> None:
        if state in (ModuleState.READY, ModuleState.ASLEEP):
            self.reason = None
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
