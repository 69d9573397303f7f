"""The supervisor's side of the zygote: orders forks, and follows each forked process to its end."""

import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import msgspec

from mewayz.runtime.orders import Outcome
from mewayz.runtime.zygote import Ended, Forked, Job, Message, Ready
from mewayz.servers.child import Child, process_ended
from shared.errors import Unavailable

_STATUS_S = 1.0


class JobFailed(Unavailable):
    """A job on a module went wrong: its code doesn't import, or a migration fails."""

    code = "JOB_FAILED"


class ZygoteGone(Unavailable):
    """The zygote died before it answered; a new one is on its way."""

    code = "ZYGOTE_GONE"


class Fork:
    """A forked process of a module."""

    def __init__(self, pid: int, report: int, heartbeat: int | None, ended: "anyio.Event", status: list[int]) -> None:
        """Follow process `pid`; `report` and `heartbeat` are the reading ends of its pipes."""
        self.pid = pid
        self._pidfd = os.pidfd_open(pid)
        self._report = report
        self._heartbeat = heartbeat
        self._ended = ended
        self._status = status

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; to one that has ended, nothing."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    async def heartbeat(self) -> bool:
        """Wait for the next sign of life; False when there will be none."""
        assert self._heartbeat is not None, "only a served module has a heartbeat"
        await anyio.wait_readable(self._heartbeat)
        return bool(os.read(self._heartbeat, 64))

    async def ended(self) -> str:
        """Wait for its end and return in words why it ended; its descriptors are closed then."""
        outcome = await self._read_report()
        await process_ended(self.pid)
        with anyio.move_on_after(_STATUS_S):
            await self._ended.wait()
        if outcome is not None and outcome.error is not None:
            return outcome.error
        return _in_words(self._status[0] if self._status else _adopted_status(self.pid))

    async def result(self) -> Any:
        """Wait for its end and return what it reported, as JSON reads it. Raises JobFailed."""
        outcome = await self._read_report()
        if outcome is None:
            raise JobFailed(await self.ended())
        if outcome.error is not None:
            raise JobFailed(outcome.error)
        return outcome.result

    def close(self) -> None:
        """Close its descriptors."""
        for fd in (self._pidfd, self._report, self._heartbeat):
            if fd is not None:
                os.close(fd)

    async def _read_report(self) -> Outcome | None:
        content = b""
        while True:
            await anyio.wait_readable(self._report)
            chunk = os.read(self._report, 65536)
            content += chunk
            if not chunk:
                return msgspec.json.decode(content, type=Outcome) if content else None


class Forks:
    """The running zygote, started again when it dies; modules it forked live on."""

    def __init__(self, log: Path, module_folders: Sequence[str]) -> None:
        """Keep where the zygote logs, and the folders of modules beyond `subgraphs/`."""
        self._log = log
        self._module_folders = module_folders
        self._channel: socket.socket | None = None
        self._ready = anyio.Event()
        self._waiting: dict[int, tuple[anyio.Event, list[int]]] = {}
        self._ends: dict[int, tuple[anyio.Event, list[int]]] = {}
        self._last_id = 0
        self.pid: int | None = None

    async def run(self) -> None:
        """Keep a zygote running until cancelled."""
        while True:
            ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.setblocking(False)
            argv = [sys.executable, "-P", "-m", "mewayz.runtime.zygote", str(its.fileno()), *self._module_folders]
            child = Child(argv, log=self._log, fds=[its.fileno()])
            its.close()
            self._channel, self.pid = ours, child.pid
            try:
                await self._listen(ours)
            finally:
                ours.close()
                with anyio.CancelScope(shield=True):
                    await child.stop(grace_s=20)
            self._fail_waiting()
            await anyio.sleep(0.1)

    @contextlib.asynccontextmanager
    async def fork(
        self, kind: str, module: str, order: bytes, log: Path, listener: socket.socket | None = None
    ) -> AsyncIterator[Fork]:
        """Fork a process for a job; leaving the block closes our ends of its pipes. Raises ZygoteGone.

        `order` is written to a pipe that only the child reads, at most 64 KiB. With a `listener` it also gets a
        heartbeat pipe.
        """
        await self._ready.wait()
        order_read, order_write = os.pipe()
        os.write(order_write, order)
        os.close(order_write)
        report_read, report_write = os.pipe()
        log_fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        given, kept = [order_read, report_write, log_fd], [report_read]
        if listener is not None:
            heartbeat_read, heartbeat_write = os.pipe()
            given += [listener.fileno(), heartbeat_write]
            kept.append(heartbeat_read)
        try:
            pid, end = await self._order(Job(self._next_id(), kind, module), given)
            fork = Fork(pid, report_read, kept[1] if listener is not None else None, *end)
        except BaseException:
            for fd in kept:
                os.close(fd)
            raise
        finally:
            for fd in given:
                if listener is None or fd != listener.fileno():
                    os.close(fd)
        try:
            yield fork
        finally:
            fork.close()

    async def _order(self, job: Job, fds: list[int]) -> tuple[int, tuple[anyio.Event, list[int]]]:
        answered, pid = anyio.Event(), list[int]()
        end = (anyio.Event(), list[int]())
        self._waiting[job.id], self._ends[job.id] = (answered, pid), end
        assert self._channel is not None, "the zygote is ready"
        try:
            socket.send_fds(self._channel, [msgspec.json.encode(job)], fds)
        except OSError as error:
            raise ZygoteGone("The zygote is gone.") from error
        await answered.wait()
        if not pid:
            raise ZygoteGone("The zygote died while it was asked to fork.")
        return pid[0], end

    async def _listen(self, channel: socket.socket) -> None:
        decoder = msgspec.json.Decoder(Message)
        while True:
            await anyio.wait_readable(channel)
            try:
                packet = channel.recv(4096)
            except OSError:
                return
            if not packet:
                return
            message = decoder.decode(packet)
            match message:
                case Ready():
                    self._ready.set()
                case Forked(job, pid):
                    _tell(self._waiting.pop(job), pid)
                case Ended(job, status):
                    _tell(self._ends.pop(job), status)

    def _fail_waiting(self) -> None:
        self._ready = anyio.Event()
        for answered, _ in (*self._waiting.values(), *self._ends.values()):
            answered.set()
        self._waiting.clear()
        self._ends.clear()

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id


def _tell(waiting: tuple[anyio.Event, list[int]], value: int) -> None:
    event, values = waiting
    values.append(value)
    event.set()


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
