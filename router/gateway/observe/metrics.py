"""What the gateway counts, in the text format of Prometheus (version 0.0.4). No label names a tenant or a user."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import TypeVar

K = TypeVar("K")

_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counts requests by outcome, fetches by module and outcome, with how long they took, and data that disagrees."""

    def __init__(self) -> None:
        """Begin at nought."""
        self._requests: dict[str, _Histogram] = {}
        self._fetches: dict[tuple[str, str], _Histogram] = {}
        self._conflicts: dict[str, int] = {}

    def request(self, code: str, seconds: float) -> None:
        """Count an answered request; `code` is OK, PARTIAL or the code of its refusal."""
        _of(self._requests, code).observe(seconds)

    def fetch(self, module: str, code: str, seconds: float) -> None:
        """Count a request to a module; `code` is OK or an error's code."""
        _of(self._fetches, (module, code)).observe(seconds)

    def merge_conflicts(self, found: Mapping[str, int]) -> None:
        """Count by module the scalars that another module had given otherwise in the same answer: data that disagrees."""
        for module, count in found.items():
            self._conflicts[module] = self._conflicts.get(module, 0) + count

    def lines(self) -> Iterator[str]:
        """Yield what was counted, line by line."""
        yield "# TYPE mewayz_request_seconds histogram\n"
        for code, histogram in sorted(self._requests.items()):
            yield from histogram.lines("mewayz_request_seconds", f'code="{code}"')
        yield "# TYPE mewayz_fetch_seconds histogram\n"
        for (module, code), histogram in sorted(self._fetches.items()):
            yield from histogram.lines("mewayz_fetch_seconds", f'module="{module}",code="{code}"')
        yield "# TYPE mewayz_merge_conflict_total counter\n"
        for module, count in sorted(self._conflicts.items()):
            yield f'mewayz_merge_conflict_total{{module="{module}"}} {count}\n'


class _Histogram:
    __slots__ = ("_counts", "_sum")

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS_S) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(_BOUNDS_S, seconds)] += 1
        self._sum += seconds

    def lines(self, name: str, labels: str) -> Iterator[str]:
        total = 0
        for bound, count in zip((*_BOUNDS_S, "+Inf"), self._counts, strict=True):
            total += count
            yield f'{name}_bucket{{{labels},le="{bound}"}} {total}\n'
        yield f"{name}_sum{{{labels}}} {self._sum:.6f}\n"
        yield f"{name}_count{{{labels}}} {total}\n"


def _of(histograms: dict[K, _Histogram], key: K) -> _Histogram:
    return histograms.get(key) or histograms.setdefault(key, _Histogram())
