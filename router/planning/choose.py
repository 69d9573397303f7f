"""Which subgraph serves each wanted field, with the fewest fetches: unit propagation, then branch and bound.

What is paid for is an *entry*: a subgraph entered at a place. Most fields have one resolver, which decides nearly all
entries; what is left is searched exactly, until `NODES` steps or `SECONDS` are used up. A key's fields, and those of
@requires, are wants like the client's own. Choices are memoised by (selection, arrived subgraphs, what they provide, candidates).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import perf_counter

from router.planning.choices import Arrival, Choice, SiteChoice
from router.planning.normalize import Selection, Want
from router.planning.search import Search
from router.supergraph.model import Kind, bits
from router.supergraph.reach import Reach

NODES = 20_000
SECONDS = 0.5  # a hostile operation's steps can be dear: the search ends then, too


class Chooser:
    """Chooses for one operation. `is_optimal` tells whether every search was finished."""

    def __init__(self, reach: Reach, root: str) -> None:
        """Take the reach of the supergraph and the name of the operation's root type."""
        self._reach = reach
        self._roots = set(reach.supergraph.roots.values()) | {root}
        self._sites: dict[tuple[Selection, Arrival], SiteChoice | None] = {}
        self._nodes = 0
        self._until = perf_counter() + SECONDS
        self.is_optimal = True

    def site(self, selection: Selection, arrival: Arrival) -> SiteChoice | None:
        """Return the cheapest way to serve a selection for objects that arrived so; None if there is none."""
        asked = (selection, arrival)
        if asked not in self._sites:
            self._sites[asked] = None  # guards a place inside itself
            self._sites[asked] = self._site(selection, arrival)
        return self._sites[asked]

    def why_not(self, selection: Selection, arrival: Arrival) -> tuple[str, Want] | None:
        """Return the first (type, want) that cannot be served, when `site` found no way."""
        for name, wants in self._asked(selection, arrival):
            for want in wants:
                if self._choose(name, (want,), arrival) is None:
                    return name, want
        return None

    def able(self, name: str, want: Want, arrival: Arrival) -> int:
        """Return the mask of subgraphs that can resolve a want, whatever lies below it."""
        return Search(self, self._reach, name, arrival, name in self._roots).able(want)

    def arrival(self, name: str, want: Want, arrival: Arrival, subgraph: int) -> Arrival:
        """Return how the objects below a want arrive when one subgraph serves it."""
        below = Search(self, self._reach, name, arrival, name in self._roots).arrive(want, (subgraph,))
        return below or arrival

    def _site(self, selection: Selection, arrival: Arrival) -> SiteChoice | None:
        """Choose for an interface object as such; where that can't be, for its concrete types, which are asked for."""
        found = self._chosen(self._asked(selection, arrival), arrival)
        if found is None and self._is_untyped(selection, arrival):
            found = self._chosen(self._by_type(selection, arrival), arrival)
        return found

    def _chosen(self, asked: Iterable[tuple[str, tuple[Want, ...]]], arrival: Arrival) -> SiteChoice | None:
        by_type: dict[str, Choice] = {}
        for name, wants in asked:
            choice = self._choose(name, wants, arrival)
            if choice is None:
                return None
            by_type[name] = choice
        visits: set[tuple[int, int]] = set()
        below: dict[tuple[object, ...], SiteChoice] = {}
        for choice in by_type.values():
            visits |= choice.visits
            below |= choice.below
        fetches = len(visits) + sum(one.fetches for one in below.values())
        return SiteChoice(by_type, fetches, max((one.depth for one in by_type.values()), default=0))

    def _asked(self, selection: Selection, arrival: Arrival) -> Iterator[tuple[str, tuple[Want, ...]]]:
        if self._reach.types[selection.type].kind not in (Kind.INTERFACE, Kind.UNION):
            yield selection.type, selection.wants[selection.type]
        elif not self._reach.possible(selection.type) or self._is_untyped(selection, arrival):
            yield selection.type, selection.common
        else:
            yield from self._by_type(selection, arrival)

    def _is_untyped(self, selection: Selection, arrival: Arrival) -> bool:
        """Whether objects came as an interface object, and nothing is wanted that depends on their type."""
        one = self._reach.types[selection.type]
        if one.kind not in (Kind.INTERFACE, Kind.UNION) or arrival.mask & ~one.interface_objects:
            return False
        return selection.is_uniform and all(want.name != "__typename" for want in selection.common)

    def _by_type(self, selection: Selection, arrival: Arrival) -> Iterator[tuple[str, tuple[Want, ...]]]:
        one = self._reach.types[selection.type]
        for name in self._reach.possible(selection.type):
            if not arrival.mask & ~one.interface_objects:
                typename = Want("__typename", (), "String!", None, None)
                yield name, (*selection.wants[name], typename)
            elif self._is_asked(selection.type, name, arrival, one.subgraphs & ~one.interface_objects):
                yield name, selection.wants[name]

    def _is_asked(self, position: str, name: str, arrival: Arrival, real: int) -> bool:
        reach = self._reach
        known = arrival.mask & real
        if known and not any(name in reach.possible_in(position, number) for number in bits(known)):
            return False
        return all(name in reach.possible_in(position, number) for number in bits(arrival.could & real))

    def _choose(self, name: str, wants: tuple[Want, ...], arrival: Arrival) -> Choice | None:
        return Search(self, self._reach, name, arrival, name in self._roots).run(wants)

    def step(self) -> bool:
        """Count a step of the search; False when there are none left and the first way must do."""
        self._nodes += 1
        if self._nodes > NODES or (self._nodes % 64 == 0 and perf_counter() > self._until):
            self.is_optimal = False
        return self.is_optimal
