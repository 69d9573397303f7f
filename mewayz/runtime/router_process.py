"""The router as a process of its own, started again as soon as it dies."""

import sys
from pathlib import Path

import anyio
import msgspec

from mewayz.servers.child import Child
from shared.wire.bootstrap import RouterBootstrap

_SOON_S = 0.1
_LATEST_S = 1.0


class RouterProcess:
    """A router worker; `run` keeps it up."""

    def __init__(self, bootstrap: RouterBootstrap, log: Path) -> None:
        """Take what the router is told, and where it logs."""
        self._bootstrap = bootstrap
        self._log = log
        self._child: Child | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._child.pid if self._child and self._child.is_running else None

    async def run(self) -> None:
        """Keep a router running until `stop`."""
        wait_s = _SOON_S
        while not self._stopping:
            born = anyio.current_time()
            order = msgspec.json.encode(self._bootstrap)
            self._child = Child([sys.executable, "-P", "-m", "mewayz.runtime.router_main"], log=self._log, order=order)
            await self._child.ended()
            wait_s = _SOON_S if anyio.current_time() - born > 10 else min(_LATEST_S, wait_s * 2)
            await anyio.sleep(wait_s)

    async def stop(self) -> None:
        """Let it finish what is in flight, and end."""
        self._stopping = True
        if self._child is not None:
            await self._child.stop()

    async def answers(self) -> bool:
        """Return whether the API takes requests now."""
        host = "127.0.0.1" if self._bootstrap.host == "0.0.0.0" else self._bootstrap.host
        try:
            with anyio.fail_after(1):
                async with await anyio.connect_tcp(host, self._bootstrap.port) as stream:
                    await stream.send(
                        f"GET /health/live HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode()
                    )
                    return (await stream.receive()).startswith(b"HTTP/1.1 200")
        except (OSError, TimeoutError, anyio.EndOfStream):
            return False
