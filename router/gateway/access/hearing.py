"""What identity knows and gateways must: heard of as events, asked for when events may be missing."""

from collections.abc import Awaitable, Callable

import anyio
import structlog

from router.errors import RouterError
from router.gateway.settings import Settings

_RETRY_S = 0.5

Line = Callable[[], object]
"""Says by which connection events come: another value for each new one, None while there is none."""

log = structlog.get_logger()


class Hearing:
    """Asks identity at the start, after each break of the connection, and again and again while there is none."""

    def __init__(self, ask: Callable[[], Awaitable[None]], *, what: str, line: Line, settings: Settings) -> None:
        """Ask by `ask`, which raises RouterError where identity can't be asked; `what` names it in the log."""
        self._ask = ask
        self._what = what
        self._line = line
        self._settings = settings
        self._wanted = 0
        self._wake = anyio.Event()
        self._heard: object = None

    @property
    def is_current(self) -> bool:
        """Whether all there was is known, and whatever comes will be heard."""
        return self._heard is not None and self._heard == self._mark()

    def ask_again(self) -> None:
        """Have `follow` ask now: an event said that something changed."""
        self._wanted += 1
        self._wake.set()

    async def follow(self) -> None:
        """Ask whenever something may be missing, until cancelled."""
        while True:
            mark, self._wake = self._mark(), anyio.Event()
            is_known = (mark is None or mark != self._heard) and await self._asked()
            if is_known:
                self._heard = mark
            with anyio.move_on_after(self._settings.revocation_pause_s if is_known and mark is None else _RETRY_S):
                await self._wake.wait()

    def _mark(self) -> object:
        line = self._line()
        return None if line is None else (line, self._wanted)

    async def _asked(self) -> bool:
        try:
            await self._ask()
        except RouterError as error:
            log.info("identity_not_asked", what=self._what, error=str(error))
            return False
        return True
