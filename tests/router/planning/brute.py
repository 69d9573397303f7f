"""The fewest fetches of an operation, by trying everything: for entities that every subgraph knows by one plain key.

It shares no code with the planner's search: for each place all ways to give the fields to subgraphs are tried, and for
each of them all ways to ask a subgraph once or twice. Fields with @requires read fields without, so two visits suffice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product

from router.planning.normalize import Selection
from router.supergraph.field_set import Picked
from router.supergraph.model import bits
from router.supergraph.reach import Reach


@dataclass(frozen=True)
class Field:
    """A field to be had at a place: who can give it, what it requires (by number) from whom, what lies below."""

    able: Mapping[int, tuple[int, ...]]
    child: Selection | None


class Brute:
    """Tries everything for one operation."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self.below = cache(self._below)

    def operation(self, root: Selection) -> int:
        """Return the fewest fetches: root fields of one subgraph come together."""
        wants = root.wants[root.type]
        best = 10**9
        for chosen in product(*(bits(self._reach.resolvers(root.type, want.name)) for want in wants)):
            below = sum(self.below(want.child, s) for want, s in zip(wants, chosen, strict=True) if want.child)
            best = min(best, len(set(chosen)) + below)
        return best

    def _below(self, selection: Selection, arrived: int) -> int:
        """Return the fewest fetches at a place and below, for objects that came from one subgraph."""
        fields = list(self._fields(selection))
        best = 10**9
        for chosen in product(*(one.able for one in fields)):
            pairs = list(zip(fields, chosen, strict=True))
            below = sum(self.below(one.child, s) for one, s in pairs if one.child is not None)
            if below < best:
                best = min(best, below + _visits(pairs, arrived))
        return best

    def _fields(self, selection: Selection) -> Iterator[Field]:
        """Yield all fields of all types; what @requires names is a field like any other, each once per type."""
        offset = 0
        for name, wants in selection.wants.items():
            names = dict.fromkeys(want.name for want in wants if want.name != "__typename")
            children = {want.name: want.child for want in wants}
            todo = list(names)
            for field in todo:
                for needed in self._required(name, field):
                    if needed not in names:
                        names[needed] = None
                        todo.append(needed)
            places = {field: offset + number for number, field in enumerate(names)}
            for field in names:
                able = {
                    s: tuple(places[one.name] for one in self._reach.source(name, field, s).requires if isinstance(one, Picked))
                    for s in bits(self._reach.resolvers(name, field))
                }  # fmt: skip
                yield Field(able, children.get(field))
            offset += len(names)

    def _required(self, type_name: str, field: str) -> set[str]:
        able = bits(self._reach.resolvers(type_name, field))
        return {p.name for s in able for p in self._reach.source(type_name, field, s).requires if isinstance(p, Picked)}


def _visits(pairs: list[tuple[Field, int]], arrived: int) -> int:
    """Return how many fetches fields need that are given to subgraphs so, for objects that came from `arrived`."""
    early: set[int] = set()  # asked for what requires nothing
    late: dict[int, set[int]] = {}  # subgraph -> the subgraphs that what it is told comes from
    for field, subgraph in pairs:
        needs = field.able[subgraph]
        if needs:
            told = late.setdefault(subgraph, set())
            told |= {pairs[number][1] for number in needs} - {arrived}
        elif subgraph != arrived:
            early.add(subgraph)
    both = sorted(early & late.keys())
    best = 10**9
    for split in product((False, True), repeat=len(both)):
        once = {one for one, twice in zip(both, split, strict=True) if not twice}
        # who waits for whom: a subgraph asked once waits for the first visit of those it needs; itself it can't need
        waits = {one: late[one] for one in once}
        if all(one not in waits[one] for one in once) and not _has_circle({k: v & once for k, v in waits.items()}):
            best = min(best, len(early) + len(late) - len(once))
    return best


def _has_circle(waits: Mapping[int, set[int]]) -> bool:
    left = dict(waits)
    while left:
        free = [one for one, others in left.items() if not others & left.keys()]
        if not free:
            return True
        for one in free:
            del left[one]
    return False
