"""The audit that nobody has to ask for: soon after each start of NATS, then every hour (events.md, H1)."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import anyio

from mewayz.progress import Trouble
from mewayz.runtime.fork import JobFailed, JobInterrupted, ZygoteGone
from shared.clock import Clock
from shared.wire.control import AuditStatus, Operate

_EVERY_S = 3600.0
_SOON_S = 60.0  # a platform that starts has other things to do


class Auditing:
    """Compares, again and again, what the modules have sent with what the stream holds; repairs nothing by itself."""

    def __init__(
        self,
        operate: Callable[[Operate], Awaitable[Any]],
        *,
        tell: Callable[[Trouble], None],
        clock: Clock,
        every_s: float = _EVERY_S,
        soon_s: float = _SOON_S,
    ) -> None:
        """Have `operate` do the audit as an operator would, and `tell` of what is wrong."""
        self._operate = operate
        self._tell = tell
        self._clock = clock
        self._every_s = every_s
        self._soon_s = soon_s
        self._restarted = anyio.Event()
        self.last: AuditStatus | None = None

    def nats_started(self) -> None:
        """Audit soon: what a server reads back after a crash may be less than it had acknowledged."""
        self._restarted.set()

    async def run(self) -> None:
        """Audit until cancelled."""
        wait_s = self._soon_s
        while True:
            self._restarted = restarted = anyio.Event()
            with anyio.move_on_after(wait_s):
                await restarted.wait()
            if restarted.is_set():
                wait_s = self._soon_s
            else:
                wait_s = self._every_s if await self._audit(self._clock.now()) else self._soon_s

    async def _audit(self, at: datetime) -> bool:
        """Audit once and keep what was found; return whether it could be done."""
        try:
            found = await self._operate(Operate("audit"))
        except (JobFailed, JobInterrupted, ZygoteGone):
            return False  # a server is away, or a module is being made: it is tried again
        faults: list[str] = found["faults"]
        self.last = AuditStatus(at, sum(module["sent"] for module in found["modules"].values()), faults)
        if faults:
            self._tell(Trouble(f"The stream is damaged: {faults[0]}", "./justw events refill"))
        return True
