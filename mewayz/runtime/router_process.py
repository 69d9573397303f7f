"""The router as a process of its own, forked by the zygote, started again as soon as it dies."""

import signal
from collections.abc import Callable
from pathlib import Path

import anyio
import msgspec

from mewayz.runtime.fork import Fork, ZygoteGone
from mewayz.runtime.forks import Forks
from mewayz.servers.leftovers import end_leftover, note, noted
from shared.wire.bootstrap import RouterBootstrap

_SOON_S = 0.1
_LATEST_S = 1.0
_HEALTHY_S = 10.0
_DRAIN_S = 15.0


class RouterProcess:
    """A router worker; `run` keeps it up."""

    def __init__(self, bootstrap: Callable[[], RouterBootstrap], *, forks: Forks, log: Path, pid_file: Path) -> None:
        """Take what makes the router's bootstrap, where it logs, and where its process is noted."""
        self._bootstrap = bootstrap
        self._forks = forks
        self._log = log
        self._pid_file = pid_file
        self._fork: Fork | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._fork.pid if self._fork else None

    def adopt(self) -> None:
        """Take over the router that a supervisor who died had forked."""
        if (process := noted(self._pid_file)) is not None:
            self._fork = Fork(process)

    async def run(self) -> None:
        """Keep a router running until `stop`."""
        if self._fork is not None:
            await self._until_end(self._fork)
        await end_leftover(self._pid_file)
        wait_s = _SOON_S
        while not self._stopping:
            born = anyio.current_time()
            try:
                await self._live()
            except ZygoteGone:
                continue
            except OSError:  # a disk that is full: nothing can be noted
                await anyio.sleep(_LATEST_S)
                continue
            wait_s = _SOON_S if anyio.current_time() - born > _HEALTHY_S else min(_LATEST_S, wait_s * 2)
            await anyio.sleep(wait_s)

    async def stop(self) -> None:
        """Let it finish what is in flight, and end."""
        self._stopping = True
        if (fork := self._fork) is None:
            return
        fork.send(signal.SIGTERM)
        with anyio.move_on_after(_DRAIN_S):
            while self._fork is fork:  # noqa: ASYNC110 one short wait, no event to keep
                await anyio.sleep(0.01)
            return
        fork.send(signal.SIGKILL)

    async def answers(self) -> bool:
        """Return whether the API takes requests now."""
        told = self._bootstrap()
        host = "127.0.0.1" if told.host == "0.0.0.0" else told.host
        try:
            with anyio.fail_after(1):
                async with await anyio.connect_tcp(host, told.port) as stream:
                    await stream.send(
                        f"GET /health/live HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode()
                    )
                    return (await stream.receive()).startswith(b"HTTP/1.1 200")
        except (OSError, TimeoutError, anyio.EndOfStream):
            return False

    async def _live(self) -> None:
        order = msgspec.json.encode(self._bootstrap())
        async with self._forks.fork("route", "router", order, self._log) as fork:
            try:
                note(self._pid_file, fork.pid)
            except OSError:  # a supervisor's successor would not find it
                fork.send(signal.SIGKILL)
                raise
            await self._until_end(fork)

    async def _until_end(self, fork: Fork) -> None:
        self._fork = fork
        try:
            await fork.ended()
        finally:
            self._fork = None
            self._pid_file.unlink(missing_ok=True)
