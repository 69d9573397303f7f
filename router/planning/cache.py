"""A least-recently-used cache, bounded by the weight of what it holds."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class Cache(Generic[V]):
    """Keeps values up to a total weight, in the unit of the caller; the one not used for longest goes first."""

    def __init__(self, limit: int) -> None:
        """Take the weight that may be held."""
        self._limit = limit
        self._held: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()
        self.weight = 0

    def __len__(self) -> int:
        """Return how many values are held."""
        return len(self._held)

    def keys(self) -> list[Hashable]:
        """Return the keys, the one not used for longest first."""
        return list(self._held)

    def get(self, key: Hashable) -> V | None:
        """Return a value and count it as used now."""
        found = self._held.get(key)
        if found is None:
            return None
        self._held.move_to_end(key)
        return found[0]

    def put(self, key: Hashable, value: V, weight: int) -> V:
        """Keep a value and return it; one heavier than an eighth of the limit is not kept."""
        if weight > self._limit // 8:
            return value
        old = self._held.pop(key, None)
        if old is not None:
            self.weight -= old[1]
        self._held[key] = (value, weight)
        self.weight += weight
        while self.weight > self._limit:
            _, (_, gone) = self._held.popitem(last=False)
            self.weight -= gone
        return value
