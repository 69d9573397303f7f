"""The supervisor's side of the zygote: orders forks, and follows each forked process to its end."""

import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import anyio
import msgspec

from mewayz.runtime.fork import End, Fork, ZygoteGone
from mewayz.runtime.zygote import LASTING, LOAD, PREPARE, RETIRE, Ended, Forked, Job, Message, Ready
from mewayz.servers.child import Child
from mewayz.servers.leftovers import Process
from shared.errors import Unavailable

_LOOK_S = 1.0
_MOST_LOADED = 48
_ANSWER_S = 60.0
_SOON_S = 0.1
_LATEST_S = 2.0
_PAUSE_S = 60.0
_FAILURES_TOLD = 3  # a zygote that never gets ready so often in a row is told of


class JobsInHand(Unavailable):
    """Something has to wait for jobs that don't end."""

    code = "JOBS_IN_HAND"

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("Another task, or the preparation of a module, is at work: try again when it is done.")


Errand = Callable[[str, str, bytes, Path], AbstractAsyncContextManager[Fork]]
"""(kind, module, order, log) -> a forked process: `Forks.fork` without its wait."""


class _Zygote:
    """One zygote: its process, the channel to it, and what it was asked for."""

    def __init__(self, log: Path, lifeline: int, module_folders: Sequence[str]) -> None:
        self._channel, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.setblocking(False)
        fds = [its.fileno(), lifeline]
        argv = [sys.executable, "-P", "-m", "mewayz.runtime.zygote", *map(str, fds), *module_folders]
        self.child = Child(argv, log=log, fds=fds)
        its.close()
        self.was_ready = False
        self.over = anyio.Event()  # it forks for nobody any more
        self._answers: dict[int, End] = {}
        self._ends: dict[int, tuple[Job, End]] = {}

    async def order(self, job: Job, fds: Sequence[int], answer_s: float) -> tuple[int, End]:
        """Return the id of the process that does a job, and what tells of its end. Raises ZygoteGone."""
        answer, end = End(), End()
        self._answers[job.id], self._ends[job.id] = answer, (job, end)
        self._send(job, fds)
        with anyio.move_on_after(answer_s):
            await answer.told.wait()
        if not answer.told.is_set():
            self.over.set()
            self.child.send(signal.SIGKILL)
        if answer.value is None:
            raise ZygoteGone("The zygote died while it was asked to fork.")
        return answer.value, end

    def retire(self, slug: str) -> None:
        """Let it end when the jobs that it has in hand are done; those that would go by a module's old code are ended."""
        with contextlib.suppress(ZygoteGone):
            self._send(Job(0, RETIRE, slug), [])
        for job, end in self._ends.values():
            end.is_cut |= job.kind == PREPARE and job.module == slug
        self.over.set()

    async def follow(self, is_ready: Callable[[], None]) -> None:
        """Take its messages until its end."""
        try:
            await self._listen(is_ready)
        finally:
            self.over.set()
            self._channel.close()
            with anyio.CancelScope(shield=True):
                await self.child.stop(grace_s=20)
            for untold in (*self._answers.values(), *(end for _, end in self._ends.values())):
                untold.told.set()

    def _send(self, job: Job, fds: Sequence[int]) -> None:
        try:
            socket.send_fds(self._channel, [msgspec.json.encode(job)], fds)
        except OSError as error:
            raise ZygoteGone("The zygote is gone.") from error

    async def _listen(self, is_ready: Callable[[], None]) -> None:
        decoder = msgspec.json.Decoder(Message)
        while True:
            await anyio.wait_readable(self._channel)
            try:
                packet = self._channel.recv(4096)
            except OSError:
                return
            if not packet:
                return
            match decoder.decode(packet):
                case Ready():
                    self.was_ready = True
                    is_ready()
                case Forked(job, pid):
                    self._answers.pop(job).tell(pid)
                    if not pid:
                        self._ends.pop(job)
                case Ended(job, status):
                    self._ends.pop(job)[1].tell(status)


class Forks:
    """The running zygote, started again when it dies; modules it forked live on."""

    def __init__(
        self,
        log: Path,
        module_folders: Sequence[str],
        lifeline: int,
        *,
        failing: Callable[[str], None] = lambda _: None,
        answer_s: float = _ANSWER_S,
    ) -> None:
        """Keep where the zygote logs, the folders of modules beyond `subgraphs/`, and the lifeline's reading end.

        `failing` is called, once, with the reason when no zygote gets ready: the code that all modules share is broken.
        One that doesn't answer for `answer_s` hangs in the code of a module that it loads, and is killed.
        """
        self._answer_s = answer_s
        self._log = log
        self._failing = failing
        self._failures = 0
        self._lifeline = lifeline
        self._module_folders = module_folders
        self._ready = anyio.Event()
        self._last_id = 0
        self._loaded: set[str] = set()
        self._jobs = 0  # in hand, none of them lasting
        self._may_begin = anyio.Event()
        self._may_begin.set()
        self._deadly: set[str] = set()  # modules whose code ended a zygote that loaded it
        self._zygote: _Zygote | None = None

    @property
    def pid(self) -> int | None:
        """The process that forks now."""
        return self._zygote.child.pid if self._zygote else None

    @property
    def loaded(self) -> frozenset[str]:
        """The modules whose code the zygote has in memory."""
        return frozenset(self._loaded)

    @property
    def trouble(self) -> str | None:
        """Why no process can be forked, once that is known."""
        if self._failures < _FAILURES_TOLD or self._zygote is None:
            return None
        return f"the zygote does not start: {self._zygote.child.last_line()}"

    async def run(self) -> None:
        """Keep a zygote running until cancelled; one that is replaced is followed until its last job is done."""
        async with anyio.create_task_group() as zygotes:
            while True:
                zygote = self._zygote = _Zygote(self._log, self._lifeline, self._module_folders)
                zygotes.start_soon(zygote.follow, self._is_ready)
                await zygote.over.wait()
                self._await_next()
                self._note_end(zygote)
                await anyio.sleep(min(_LATEST_S, _SOON_S * 2 ** min(self._failures, 10)))

    @contextlib.asynccontextmanager
    async def fork(
        self, kind: str, module: str, order: bytes, log: Path, given: Sequence[int] = ()
    ) -> AsyncIterator[Fork]:
        """Fork a process for a job; leaving the block closes our ends of its pipes. Raises ZygoteGone.

        `order` is written to a pipe that only the child reads, at most 64 KiB. `given` are descriptors for the job: to
        serve, the listening socket and the writing end of the pulse.
        """
        async with contextlib.AsyncExitStack() as stack:
            if kind not in LASTING:
                while not self._may_begin.is_set():  # the next pause may have begun before we go on
                    await self._may_begin.wait()
                stack.enter_context(self._in_hand())
            yield await stack.enter_async_context(self._forked(kind, module, order, log, given))

    @contextlib.asynccontextmanager
    async def paused(self) -> AsyncIterator["Errand"]:
        """Let no job be in hand inside the block, for they hold passwords; its own ones go by what it gives.

        Jobs that come meanwhile wait. Raises JobsInHand where those in hand take longer than a minute.
        """
        self._may_begin = anyio.Event()
        try:
            with anyio.move_on_after(_PAUSE_S) as patience:
                while self._jobs:  # noqa: ASYNC110 a short wait, seldom
                    await anyio.sleep(0.05)
            if patience.cancelled_caught:
                raise JobsInHand
            yield self._forked
        finally:
            self._may_begin.set()

    @contextlib.contextmanager
    def _in_hand(self) -> Iterator[None]:
        self._jobs += 1
        try:
            yield
        finally:
            self._jobs -= 1

    @contextlib.asynccontextmanager
    async def _forked(
        self, kind: str, module: str, order: bytes, log: Path, given: Sequence[int] = ()
    ) -> AsyncIterator[Fork]:
        await self._ready.wait()
        order_read, order_write = os.pipe()
        os.write(order_write, order)
        os.close(order_write)
        report_read, report_write = os.pipe()
        log_fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            pid, end = await self._order(kind, module, [order_read, report_write, log_fd, *given])
            fork = Fork(Process(pid), report_read, end)
        except BaseException:
            os.close(report_read)
            raise
        finally:
            for fd in (order_read, report_write, log_fd):
                os.close(fd)
        try:
            yield fork
        finally:
            fork.close()

    async def load(self, slug: str) -> None:
        """Have the zygote load a module's code, so that the module's process shares that memory and is up at once.

        It loads so many and no more: each takes a place in memory, whether it is ever woken or not. One whose code ended
        a zygote is left to its own process.
        """
        await self._ready.wait()
        if slug in self._loaded | self._deadly or len(self._loaded) >= _MOST_LOADED:
            return
        self._loaded.add(slug)
        try:
            await self._order(LOAD, slug, [])
        except ZygoteGone:
            self._deadly.add(slug)

    async def keep_loaded(self, slugs: Callable[[], Sequence[str]]) -> None:
        """Load the modules `slugs`, one after the other, and again each time that there is a new one."""
        while True:
            for slug in slugs():
                await self.load(slug)
            await anyio.sleep(_LOOK_S)

    def reload(self, slug: str) -> None:
        """Have a module's code read anew: a zygote that has loaded it is replaced; what it forked goes on to its end."""
        self._deadly.discard(slug)
        if slug in self._loaded and self._zygote is not None:
            self._await_next()
            self._zygote.retire(slug)

    def _await_next(self) -> None:
        self._loaded.clear()
        if self._ready.is_set():  # who waits already must hear of the next one
            self._ready = anyio.Event()

    async def _order(self, kind: str, module: str, fds: Sequence[int]) -> tuple[int, End]:
        assert self._zygote is not None, "the zygote is ready"
        self._last_id += 1
        return await self._zygote.order(Job(self._last_id, kind, module), fds, self._answer_s)

    def _is_ready(self) -> None:
        self._failures = 0
        self._ready.set()

    def _note_end(self, zygote: _Zygote) -> None:
        """Count the zygotes in a row that never got ready, and tell of it, once."""
        self._failures = 0 if zygote.was_ready else self._failures + 1
        if self._failures == _FAILURES_TOLD and (reason := self.trouble):
            self._failing(reason)
