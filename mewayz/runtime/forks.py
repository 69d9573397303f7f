"""The supervisor's side of the zygote: orders forks, and follows each forked process to its end."""

import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import msgspec

from mewayz.runtime.orders import Outcome
from mewayz.runtime.zygote import LOAD, Ended, Forked, Job, Message, Ready
from mewayz.servers.child import Child
from mewayz.servers.leftovers import Process
from shared.errors import Unavailable

_STATUS_S = 1.0
_JOB_STATUS_S = 10.0
_ABORT_S = 2.0
_LOOK_S = 1.0
_MOST_LOADED = 48
_ANSWER_S = 60.0
_SOON_S = 0.1
_LATEST_S = 2.0
_PAUSE_S = 60.0
_LASTING = ("serve", "route")
_FAILURES_TOLD = 3  # a zygote that never gets ready so often in a row is told of


class JobFailed(Unavailable):
    """A job on a module went wrong: its code doesn't import, or a migration fails."""

    code = "JOB_FAILED"


class JobInterrupted(Unavailable):
    """A job was stopped by what passes: the database or NATS is away, or it took too long."""

    code = "JOB_INTERRUPTED"


class ZygoteGone(Unavailable):
    """The zygote died before it answered; a new one is on its way."""

    code = "ZYGOTE_GONE"


class JobsInHand(Unavailable):
    """Something has to wait for jobs that don't end."""

    code = "JOBS_IN_HAND"

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("Another task, or the preparation of a module, is at work: try again when it is done.")


class Fork:
    """A forked process of a module: ours, or one that an earlier supervisor had forked."""

    def __init__(self, process: Process, report: int | None = None, end: "_End | None" = None) -> None:
        """Follow `process`; `report` is the reading end of its pipe. An earlier supervisor's has neither."""
        self._process = process
        self.pid = process.pid
        self._report = report
        self._end = end

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; to one that has ended, nothing."""
        self._process.send(number)

    async def ended(self, status_s: float = _STATUS_S) -> str:
        """Wait for its end, and then for `status_s` at most to hear of it; return in words why it ended."""
        outcome = await self._read_report() if self._report is not None else None
        await self._process.ended()
        if self._end is not None:
            with anyio.move_on_after(status_s):
                await self._end.told.wait()
        if outcome is not None and outcome.error is not None:
            return outcome.error
        status = self._end.value if self._end is not None else None
        return _in_words(_adopted_status(self.pid) if status is None else status)

    async def result(self) -> Any:
        """Wait for its end and return what it reported, as JSON reads it. Raises JobFailed, JobInterrupted, ZygoteGone."""
        outcome = await self._read_report()
        if outcome is None:
            reason = await self.ended(_JOB_STATUS_S)
            if self._end is not None and self._end.told.is_set() and self._end.value is None:
                raise ZygoteGone("The zygote was ended, and the job with it.")
            raise JobFailed(reason)
        if outcome.error is not None:
            raise JobInterrupted(outcome.error) if outcome.passes else JobFailed(outcome.error)
        return outcome.result

    async def end_hung(self) -> None:
        """Kill it; SIGABRT first: its stacks go to the log."""
        self.send(signal.SIGABRT)
        with anyio.move_on_after(_ABORT_S):
            await self._process.ended()
        self.send(signal.SIGKILL)

    def close(self) -> None:
        """Close its descriptors."""
        self._process.close()
        if self._report is not None:
            os.close(self._report)

    async def _read_report(self) -> Outcome | None:
        content = b""
        assert self._report is not None, "an earlier supervisor's process reports to nobody"
        while True:
            await anyio.wait_readable(self._report)
            chunk = os.read(self._report, 65536)
            content += chunk
            if not chunk:
                return msgspec.json.decode(content, type=Outcome) if content else None


Errand = Callable[[str, str, bytes, Path], AbstractAsyncContextManager[Fork]]
"""(kind, module, order, log) -> a forked process: `Forks.fork` without its wait."""


class _End:
    """A number that is told later: the id or the exit status of a process."""

    def __init__(self) -> None:
        self.told = anyio.Event()
        self.value: int | None = None

    def tell(self, value: int) -> None:
        self.value = value
        self.told.set()


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
        self._channel: socket.socket | None = None
        self._ready = anyio.Event()
        self._waiting: dict[int, _End] = {}
        self._ends: dict[int, _End] = {}
        self._last_id = 0
        self._loaded: set[str] = set()
        self._jobs = 0  # in hand, none of them lasting
        self._may_begin = anyio.Event()
        self._may_begin.set()
        self._deadly: set[str] = set()  # modules whose code ended a zygote that loaded it
        self._child: Child | None = None
        self._replaced: Child | None = None  # a zygote that was told to end, for its code is old
        self.pid: int | None = None

    @property
    def loaded(self) -> frozenset[str]:
        """The modules whose code the zygote has in memory."""
        return frozenset(self._loaded)

    @property
    def trouble(self) -> str | None:
        """Why no process can be forked, once that is known."""
        if self._failures < _FAILURES_TOLD or self._child is None:
            return None
        return f"the zygote does not start: {self._child.last_line()}"

    async def run(self) -> None:
        """Keep a zygote running until cancelled."""
        while True:
            ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.setblocking(False)
            fds = [its.fileno(), self._lifeline]
            argv = [sys.executable, "-P", "-m", "mewayz.runtime.zygote", *map(str, fds), *self._module_folders]
            child = Child(argv, log=self._log, fds=fds)
            its.close()
            self._channel, self._child, self.pid = ours, child, child.pid
            was_ready = False
            try:
                was_ready = await self._listen(ours)
            finally:
                ours.close()
                with anyio.CancelScope(shield=True):
                    await child.stop(grace_s=20)
            self._note_death(was_ready=was_ready)
            self._fail_waiting()
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
            if kind not in _LASTING:
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
            pid, end = await self._order(Job(self._next_id(), kind, module), [order_read, report_write, log_fd, *given])
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
        asked = self._child
        try:
            await self._order(Job(self._next_id(), LOAD, slug), [])
        except ZygoteGone:
            if asked is not self._replaced:
                self._deadly.add(slug)

    async def keep_loaded(self, slugs: Callable[[], Sequence[str]]) -> None:
        """Load the modules `slugs`, one after the other, and again each time that there is a new one."""
        while True:
            for slug in slugs():
                await self.load(slug)
            await anyio.sleep(_LOOK_S)

    def reload(self, slug: str) -> None:
        """Have a module's code read anew: a zygote that has loaded it is replaced; processes it forked live on."""
        self._deadly.discard(slug)
        if slug in self._loaded:
            self._replaced = self._child
            self._end_zygote(signal.SIGTERM)

    def _end_zygote(self, number: signal.Signals) -> None:
        """Let nobody ask this zygote any more, and end it; `run` starts the next one."""
        self._loaded.clear()
        if self._ready.is_set():  # who waits already must hear of the next one
            self._ready = anyio.Event()
        if self._child is not None:
            self._child.send(number)

    async def _order(self, job: Job, fds: list[int]) -> tuple[int, _End]:
        answer, end = _End(), _End()
        self._waiting[job.id], self._ends[job.id] = answer, end
        assert self._channel is not None, "the zygote is ready"
        try:
            socket.send_fds(self._channel, [msgspec.json.encode(job)], fds)
        except OSError as error:
            raise ZygoteGone("The zygote is gone.") from error
        with anyio.move_on_after(self._answer_s):
            await answer.told.wait()
        if not answer.told.is_set():
            self._end_zygote(signal.SIGKILL)
        if answer.value is None:
            raise ZygoteGone("The zygote died while it was asked to fork.")
        return answer.value, end

    async def _listen(self, channel: socket.socket) -> bool:
        """Take the zygote's messages until its end; return whether it ever got ready."""
        decoder = msgspec.json.Decoder(Message)
        was_ready = False
        while True:
            await anyio.wait_readable(channel)
            try:
                packet = channel.recv(4096)
            except OSError:
                return was_ready
            if not packet:
                return was_ready
            message = decoder.decode(packet)
            match message:
                case Ready():
                    self._failures, was_ready = 0, True
                    self._ready.set()
                case Forked(job, pid):
                    self._waiting.pop(job).tell(pid)
                    if not pid:
                        self._ends.pop(job)
                case Ended(job, status):
                    self._ends.pop(job).tell(status)

    def _note_death(self, *, was_ready: bool) -> None:
        """Count the zygotes in a row that never got ready, and tell of it, once."""
        self._failures = 0 if was_ready else self._failures + 1
        if self._failures == _FAILURES_TOLD and (reason := self.trouble):
            self._failing(reason)

    def _fail_waiting(self) -> None:
        self._loaded.clear()
        if self._ready.is_set():
            self._ready = anyio.Event()
        for untold in (*self._waiting.values(), *self._ends.values()):
            untold.told.set()
        self._waiting.clear()
        self._ends.clear()

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id


def _adopted_status(pid: int) -> int | None:
    # A module whose zygote died is our own child now: the supervisor is a subreaper.
    try:
        _, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status)


def _in_words(status: int | None) -> str:
    if status is None:
        return "ended"
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"ended with exit code {status}"
