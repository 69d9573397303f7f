"""What a router has learned of a module's health: a breaker that stops asking, and a budget for asking twice.

Source: events.md, G. A breaker opens at 5 connections in a row that fail, or when half of at least 20 requests within
10 s failed; then one request each 0.5 s tries whether the module is back. Repeated requests are at most a tenth of all.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from router.errors import ModuleUnavailable

_IN_A_ROW = 5
_WINDOW_S = 10
_ENOUGH = 20
_PROBE_S = 0.5
_BUDGET = 10.0
_PER_REQUEST = 0.1


class Breaker:
    """One module's breaker and repeat budget. `clock` gives seconds that never go back."""

    def __init__(self, module: str, clock: Callable[[], float]) -> None:
        """Begin closed, with a whole budget."""
        self._module = module
        self._clock = clock
        self._failed_in_a_row = 0
        self._recent: deque[_Second] = deque()
        self._opened_at: float | None = None
        self._probe_at = 0.0
        self._budget = _BUDGET

    @property
    def is_open(self) -> bool:
        """Whether requests are refused."""
        return self._opened_at is not None

    def admit(self, started_at: float) -> None:
        """Let a request through, or raise ModuleUnavailable; a module that started since it failed is new."""
        self._budget = min(_BUDGET, self._budget + _PER_REQUEST)
        if self._opened_at is None:
            return
        if started_at > self._opened_at:
            self._close()
            return
        now = self._clock()
        if now < self._probe_at:
            raise ModuleUnavailable(self._module, retry_after_ms=max(1, int((self._probe_at - now) * 1000)))
        self._probe_at = now + _PROBE_S  # this one tries; the others wait for what it finds

    def succeeded(self) -> None:
        """Note an answer, whatever it says."""
        self._failed_in_a_row = 0
        if self._opened_at is not None:
            self._close()
        self._note(failed=False)

    def failed(self) -> None:
        """Note a connection that broke or could not be made, or an answer that did not come in time."""
        self._failed_in_a_row += 1
        self._note(failed=True)
        asked, failed = sum(one.asked for one in self._recent), sum(one.failed for one in self._recent)
        half_failed = asked >= _ENOUGH and failed * 2 >= asked
        if self._opened_at is None and (self._failed_in_a_row >= _IN_A_ROW or half_failed):
            self._opened_at = self._clock()
            self._probe_at = self._opened_at + _PROBE_S

    def may_repeat(self) -> bool:
        """Take one repeated request out of the budget, if it has one."""
        if self.is_open or self._budget < 1:
            return False
        self._budget -= 1
        return True

    def _note(self, *, failed: bool) -> None:
        second = int(self._clock())
        if not self._recent or self._recent[-1].at != second:
            self._recent.append(_Second(second))
            while second - self._recent[0].at > _WINDOW_S:
                self._recent.popleft()
        self._recent[-1].asked += 1
        self._recent[-1].failed += failed

    def _close(self) -> None:
        self._opened_at = None
        self._failed_in_a_row = 0
        self._recent.clear()


@dataclass(slots=True)
class _Second:
    """What was asked within one second, `at` on the clock."""

    at: int
    asked: int = 0
    failed: int = 0
