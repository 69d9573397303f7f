"""Whether a fetch that is ready waits a moment for another, so that one request to their subgraph carries both."""

from collections.abc import Callable, Iterable, Sequence

from router.execution.compile import CompiledFetch
from router.planning.plan import Fetch

LONGEST_S = 0.01


class Patience:
    """Knows what was sent when. A fetch waits for partners whose inputs are all under way, and only so long as its own

    inputs took, at most LONGEST_S: requests of one level that take about the same time end in one request of the next.
    """

    def __init__(self, fetches: Sequence[CompiledFetch], clock: Callable[[], float]) -> None:
        """Take the fetches of a plan, and the clock in seconds."""
        self._fetches = fetches
        self._clock = clock
        self._asked_at: dict[int, float] = {}
        self.held: dict[int, float] = {}  # id of a fetch that is ready -> until when it waits

    def note(self, fetches: Iterable[Fetch]) -> None:
        """Note that fetches are sent now."""
        now = self._clock()
        self._asked_at.update((one.id, now) for one in fetches)

    def released(self, ready: list[CompiledFetch], finished: set[int]) -> list[CompiledFetch]:
        """Return the fetches to send now, of those that are ready and those that waited."""
        if not self.held and not any(one.partners for one in ready):
            return ready
        now = self._clock()
        ready = [*(self._fetches[number] for number in self.held), *ready]
        ids = {one.fetch.id for one in ready}
        free: list[CompiledFetch] = []
        for one in ready:
            number = one.fetch.id
            if any(self._is_coming(partner, finished) for partner in one.partners if partner not in ids):
                took = now - max(self._asked_at.get(need, now) for need in one.fetch.needs)
                if now < self.held.setdefault(number, now + min(LONGEST_S, took)):
                    continue
            self.held.pop(number, None)
            free.append(one)
        return free

    def _is_coming(self, number: int, finished: set[int]) -> bool:
        """Whether a fetch only waits for requests that are under way."""
        if number in self._asked_at:
            return False
        needs = self._fetches[number].fetch.needs
        return all(need in finished or (need in self._asked_at and need not in self.held) for need in needs)
