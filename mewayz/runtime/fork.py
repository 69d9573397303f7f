"""A forked process as the supervisor follows it, to its end and to what it reported."""

import os
import signal
from typing import Any

import anyio
import msgspec

from mewayz.runtime.orders import Outcome
from mewayz.servers.leftovers import Process
from shared.errors import Unavailable

_STATUS_S = 1.0
_JOB_STATUS_S = 10.0
_ABORT_S = 2.0


class JobFailed(Unavailable):
    """A job on a module went wrong: its code doesn't import, or a migration fails."""

    code = "JOB_FAILED"


class JobInterrupted(Unavailable):
    """A job was stopped by what passes: the database or NATS is away, or it took too long."""

    code = "JOB_INTERRUPTED"


class ZygoteGone(Unavailable):
    """The zygote died before it answered; a new one is on its way."""

    code = "ZYGOTE_GONE"


class End:
    """A number that is told later: the id or the exit status of a process. Of a process that we cut short, none."""

    def __init__(self) -> None:
        """Nothing is told yet."""
        self.told = anyio.Event()
        self.value: int | None = None
        self.is_cut = False

    def tell(self, value: int) -> None:
        """Wake who waits for it."""
        self.value = None if self.is_cut else value
        self.told.set()


class Fork:
    """A forked process of a module: ours, or one that an earlier supervisor had forked."""

    def __init__(self, process: Process, report: int | None = None, end: End | None = None) -> None:
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
