"""The zygote: imports the libraries once, opens nothing, runs no thread and no loop, and forks a process for every job.

It also loads the modules' code, one at a time when it is told to, so that a module forked later shares that memory and is
up at once. A module that does not load is left to its own process, which tells why.

It holds no secret: a job's order goes past it, through a pipe of which it only hands the reading end on. It talks with
the supervisor over a socket of packets: a Job in, with its descriptors; Forked and Ended out. It ends with the
supervisor; modules and router go on, and end with the lifeline.
"""

import contextlib
import faulthandler
import gc
import importlib
import os
import select
import signal
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Never

import msgspec
import setproctitle

from mewayz.runtime.immortal import make_immortal
from mewayz.servers.lifeline import end_with, open_lifeline

LIBRARIES = (
    "shared.module",
    "shared.hosting",
    "shared.database.migrate",
    "router.gateway.serving",
    "mewayz.runtime.jobs",
    "uvloop",
    "uvicorn.lifespan.off",
    "uvicorn.protocols.http.httptools_impl",
)
_UNWANTED = ("rich", "pygments")
_MAX_PACKET = 4096
_MAX_FDS = 5
LASTING = ("serve", "route")
LOAD, RETIRE = "load", "retire"  # the kinds of jobs that are done here
PREPARE = "prepare"  # goes by the module's code


class Job(msgspec.Struct, frozen=True):
    """An order to fork. Descriptors come along: order pipe, report pipe, log, and to serve, listener and heartbeat."""

    id: int
    kind: str
    module: str


class Forked(msgspec.Struct, frozen=True, tag="forked"):
    """The job runs as this process; 0: it was done here."""

    id: int
    pid: int


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The job's process has ended; `status` is negative for a signal."""

    id: int
    status: int


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The libraries are imported."""


Message = Forked | Ended | Ready


def main() -> None:
    """Import, freeze, then fork on request until the supervisor is gone.

    The arguments are the channel's and the lifeline's descriptors, and folders of modules beyond `subgraphs/`.
    """
    channel = socket.socket(fileno=int(sys.argv[1]))
    setproctitle.setproctitle("mewayz: zygote")
    import_libraries([Path(folder) for folder in sys.argv[3:]])
    from shared.hosting.warmth import warm_libraries

    warm_libraries()
    gc.collect()
    _settle()
    Zygote(channel, int(sys.argv[2])).serve()


def import_libraries(folders: list[Path]) -> None:
    """Import what every module needs, and no module; let modules in `folders` be found as `subgraphs.<slug>`."""
    import subgraphs

    # structlog imports Rich for coloured consoles, and Mako Pygments for pages of errors, wherever they are installed:
    # 12 MB that no module needs.
    for unwanted in _UNWANTED:
        sys.modules[unwanted] = None  # pyright: ignore[reportArgumentType] the documented way to make an import fail
    subgraphs.__path__.extend(str(folder) for folder in folders if str(folder) not in subgraphs.__path__)
    for library in LIBRARIES:
        importlib.import_module(library)
    for unwanted in _UNWANTED:
        del sys.modules[unwanted]


def load_module(slug: str) -> None:
    """Load a module's code and build its schema, if that goes well."""
    from shared.hosting.warmth import warm_module
    from shared.module import load

    with contextlib.suppress(Exception):
        warm_module(load(slug))
    _settle()


def _settle() -> None:
    """Let neither the collector nor the counting of references touch, and thereby copy, the pages that children share."""
    make_immortal()
    gc.freeze()


class Zygote:
    """The forking loop."""

    def __init__(self, channel: socket.socket, lifeline: int) -> None:
        """Take the channel to the supervisor, and what tells that it and `up` are gone."""
        self._channel = channel
        self._lifeline = lifeline
        self._jobs: dict[int, Job] = {}  # by process id
        self._is_retired = False
        self._woken, waker = socket.socketpair()
        self._waker = waker
        waker.setblocking(False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(waker.fileno())

    def serve(self) -> None:
        """Fork on request; when the supervisor is gone, or says so by SIGTERM, end what won't last, and return.

        Retired, for the code that it has loaded is old, it returns when what won't last has ended by itself.
        """
        self._send(Ready())
        while not self._is_retired or self._passing():
            readable, _, _ = select.select([self._channel, self._woken], [], [])
            if self._woken in readable:
                if signal.SIGTERM in self._woken.recv(64):
                    break
                self._reap()
            if self._channel in readable and not self._take_job():
                break
        self._kill(self._passing())

    def _take_job(self) -> bool:
        packet, fds, _, _ = socket.recv_fds(self._channel, _MAX_PACKET, _MAX_FDS)
        if not packet:
            return False
        job = msgspec.json.decode(packet, type=Job)
        if job.kind == LOAD:
            load_module(job.module)
            self._send(Forked(job.id, 0))
            return True
        if job.kind == RETIRE:
            self._is_retired = True
            self._kill(pid for pid, one in self._passing().items() if (one.kind, one.module) == (PREPARE, job.module))
            return True
        pid = os.fork()
        if pid == 0:
            self._become(job, fds)
        for fd in fds:
            os.close(fd)
        self._jobs[pid] = job
        self._send(Forked(job.id, pid))
        return True

    def _become(self, job: Job, fds: list[int]) -> Never:
        """Turn this fresh child into the job's process."""
        from mewayz.runtime import jobs

        status = 1
        try:
            order, report, log, *served = fds
            lasting = job.kind in LASTING
            self._leave_zygote(log)
            if lasting:
                end_with(open_lifeline(self._lifeline), signal.SIGTERM)
            os.close(self._lifeline)
            setproctitle.setproctitle(f"mewayz: {job.module}" if lasting else f"mewayz: {job.module} ({job.kind})")
            with os.fdopen(order, "rb") as pipe:
                told = pipe.read()
            listener = socket.socket(fileno=served[0]) if served else None
            outcome = jobs.run(job.kind, job.module, told, listener, served[1] if served else None)
            with os.fdopen(report, "wb") as pipe:
                pipe.write(msgspec.json.encode(outcome))
            status = 0 if outcome.error is None else 1
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError):  # its disk is full
                    stream.flush()
            os._exit(status)

    def _leave_zygote(self, log: int) -> None:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        for zygotes in (self._channel, self._woken, self._waker):
            zygotes.close()
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        faulthandler.enable()  # SIGABRT, sent to a module that hangs, writes its stacks to the log

    def _reap(self) -> None:
        while self._jobs:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._send(Ended(self._jobs.pop(pid).id, os.waitstatus_to_exitcode(status)))

    def _passing(self) -> dict[int, Job]:
        """Return the jobs in hand that don't last."""
        return {pid: job for pid, job in self._jobs.items() if job.kind not in LASTING}

    def _kill(self, pids: Iterable[int]) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    def _send(self, message: Message) -> None:
        try:
            self._channel.send(msgspec.json.encode(message))
        except OSError:  # the supervisor is gone; the loop sees it next
            return


if __name__ == "__main__":
    main()
