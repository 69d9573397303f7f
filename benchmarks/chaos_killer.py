"""Kills the processes of a platform, and knows when they are back."""

import asyncio
import os
import random
import signal
import time

import psutil

from mewayz.folders import folders_of
from mewayz.runtime.client import ask
from shared.errors import MewayzError
from shared.wire.control import GetStatus, ModuleState, Status
from tests.services import Platform

KINDS = ("teller", "journal", "nats", "postgres", "router", "supervisor")
_PATIENCE_S = 60.0


class Killer:
    """Sends SIGKILL; Teller holds a relay, Journal a consumer, so these die with events in hand."""

    def __init__(self, platform: Platform, chance: random.Random) -> None:
        """Kill processes of `platform`."""
        self._platform = platform
        self._folders = folders_of(platform.data)
        self._chance = chance

    async def kill(self, kind: str) -> float:
        """Kill the process of a kind, once it runs, and return the moment."""
        end = time.monotonic() + _PATIENCE_S
        while (pid := await self._pid(kind)) is None:
            assert time.monotonic() < end, f"{kind} didn't come back"
            await asyncio.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        return time.monotonic()

    async def all_well(self) -> None:
        """Wait until everything runs again."""
        for kind in KINDS:
            end = time.monotonic() + _PATIENCE_S
            while await self._pid(kind) is None:
                assert time.monotonic() < end, f"{kind} didn't come back"
                await asyncio.sleep(0.1)

    async def _pid(self, kind: str) -> int | None:
        """Return the process of a kind where it runs and is ready, else None."""
        if kind == "supervisor":
            return self._supervisor()
        status = await self._status()
        if status is None:
            return None
        if kind == "router":
            return status.router.pid if status.router.ready else None
        if kind in ("nats", "postgres"):
            server = status.nats if kind == "nats" else status.postgres
            return server.pid
        module = next(one for one in status.modules if one.name == kind)
        return module.pid if module.state is ModuleState.READY else None

    def _supervisor(self) -> int | None:
        for process in psutil.Process(self._platform.pid).children():
            if "mewayz.runtime.supervisor" in process.cmdline():
                return process.pid
        return None

    async def _status(self) -> Status | None:
        try:
            return await asyncio.to_thread(ask, self._folders, GetStatus(), Status, timeout_s=5)
        except (MewayzError, OSError):
            return None
