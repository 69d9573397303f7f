"""When a process that died is started again (events.md G): soon, then later, and not at all when it dies in a loop."""

from collections.abc import Callable

_FIRST_S = 0.1
_LONGEST_S = 30.0
_HEALTHY_S = 60.0
_WINDOW_S = 60.0
_DEATHS_IN_WINDOW = 5


class Backoff:
    """Counts the deaths of one process: waits 0.1 * 2^n s, at most 30; gives up after more than 5 deaths in 60 s."""

    def __init__(self, clock: Callable[[], float], jitter: Callable[[], float]) -> None:
        """`clock` gives monotonic seconds; `jitter` gives a number in [0, 1): up to a quarter of a wait is added."""
        self._clock = clock
        self._jitter = jitter
        self._deaths: list[float] = []
        self._in_a_row = 0

    def after_death(self, lived_s: float) -> float | None:
        """Return how many seconds to wait after a life of `lived_s` seconds, or None to give up."""
        now = self._clock()
        self._deaths = [*(death for death in self._deaths if now - death < _WINDOW_S), now]
        if len(self._deaths) > _DEATHS_IN_WINDOW:
            return None
        self._in_a_row = 0 if lived_s >= _HEALTHY_S else self._in_a_row + 1
        wait = min(_LONGEST_S, _FIRST_S * 2.0 ** max(0, self._in_a_row - 1))
        return wait * (1 + self._jitter() / 4)

    def forget(self) -> None:
        """Begin anew: somebody looked at it and started it by hand."""
        self._deaths.clear()
        self._in_a_row = 0
