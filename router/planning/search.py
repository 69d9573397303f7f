"""The search for one concrete type at one place: unit propagation, then branch and bound.

A key's fields, and those of @requires, are wants like the client's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Protocol

from router.planning.choices import Arrival, Choice, Door, Pick, SiteChoice
from router.planning.normalize import Selection, Want, field_set_wants, merged
from router.planning.state import Option, State
from router.supergraph.model import bits
from router.supergraph.reach import Entry, Reach


class Below(Protocol):
    """Who knows the costs of other places, and how many steps are left."""

    def site(self, selection: Selection, arrival: Arrival) -> SiteChoice | None:
        """Return the cheapest way to serve what lies below a field."""
        ...

    def step(self) -> bool:
        """Count a step; False when there are none left."""
        ...


class Search:
    """The search for one concrete type at one place."""

    def __init__(self, chooser: Below, reach: Reach, name: str, arrival: Arrival, is_root: bool) -> None:
        """Take who knows other places, the reach, the type and how its objects arrived; root types need no key."""
        self._chooser = chooser
        self._reach = reach
        self._name = name
        self._arrival = arrival
        self._is_root = is_root
        self._arrived = 0 if is_root else arrival.mask
        self._closure = reach.everywhere if is_root else reach.closure(name, arrival.mask, arrival.views)
        known = reach.knows(name)
        self._is_typed = is_root or reach.is_abstract(name) or not known or bool(arrival.mask & known)
        self._best: Choice | None = None

    def run(self, wants: tuple[Want, ...]) -> Choice | None:
        """Return the cheapest choice for the wants of one type; None if one of them cannot be had."""
        state = State([], [], [])
        for want in wants:
            self._add(state, want, ())
        self._search(state)
        return self._best

    def _add(self, state: State, want: Want, needers: tuple[object, ...]) -> int:
        """Put a want on the list, or on an equal one that is not decided yet; return its position."""
        if want.response is None:
            same = state.index.get(want.identity)
            fits = same is not None and (same not in state.taken or (not want.child and not state.leads(same, needers)))
            if same is not None and fits:
                if want.child is not None:
                    state.wants[same] = merged(state.wants[same], want)
                state.needers[same] = (*state.needers[same], *needers)
                return same
        number = len(state.wants)
        state.wants.append(want)
        state.needers.append(needers)
        state.todo.append(number)
        state.index.setdefault(want.identity, number)
        return number

    def _search(self, state: State) -> None:
        while state.todo:
            ranked: list[tuple[int, list[Option]]] = []
            moved = False
            for number in list(state.todo):
                options = self._options(state, number)
                if not options:
                    return
                if len(options) == 1 or _is_free(options):
                    state.todo.remove(number)
                    self._apply(state, number, options[0])
                    moved = True
                    continue
                ranked.append((number, options))
            if moved:
                continue
            if self._best is not None and self._bound(state, ranked) >= self._best.fetches:
                return
            self._branch(state, ranked)
            return
        self._finish(state)

    def _branch(self, state: State, ranked: list[tuple[int, list[Option]]]) -> None:
        number, options = min(ranked, key=lambda one: (len(one[1]), one[0]))
        for option in options:
            if not self._chooser.step() and self._best is not None:
                return
            fork = state.copy()
            fork.todo.remove(number)
            self._apply(fork, number, option)
            self._search(fork)
            if self._best is not None and self._bound(state, ranked) >= self._best.fetches:
                return

    def _bound(self, state: State, ranked: list[tuple[int, list[Option]]]) -> int:
        sure = len(state.doors)
        for want, (_, below) in ((state.wants[n], taken) for n, taken in state.taken.items()):
            sure += self._below(want, below)[0]
        sure += sum(min(one.child[0] for one in options) for _, options in ranked)
        return sure + any(all(one.extra for one in options) for _, options in ranked)

    def _options(self, state: State, number: int) -> list[Option]:
        want, needers = state.wants[number], state.needers[number]
        if want.name == "__typename":
            return self._typenames(state, needers)
        able = self.able(want)
        if want.child is None and able & self._arrived and not self._some_enter_anew(want.name):
            return [Option((bits(able & self._arrived)[0],), None, (), 0, (0, 0), False)]
        found: list[Option] = []
        together: list[int] = []
        for one in bits(able):
            requires = self._enters_anew(want.name, one)
            if needers and (requires or not self._arrived >> one & 1) and state.leads(("in", one), needers):
                continue
            together.append(one)
            found += self._with(state, number, (one,), requires)
        if not found and want.child is not None and not self._reach.is_abstract(want.child.type):
            found += self._joined(state, number, together)
        return _sorted(found)

    def able(self, want: Want) -> int:
        """Return the mask of subgraphs that can resolve a want."""
        if self._is_root:
            return self._reach.resolvers(self._name, want.name)
        able = self._reach.able(self._name, want.name, self._closure, self._arrival.views)
        contextual = self._reach.contextual(self._name, want.name)
        return able & ~contextual | able & sum({1 << one.subgraph for one in want.given}) if contextual else able

    def _enters_anew(self, name: str, subgraph: int) -> bool:
        """Whether a subgraph must be entered anew for a field: with what @requires names, or with a context."""
        source = self._reach.source(self._name, name, subgraph)
        return bool(source.requires or source.context_arguments)

    def _joined(self, state: State, number: int, able: list[int]) -> Iterator[Option]:
        """An object whose parts lie in several subgraphs and that has no key: fetch it from each, as few as will do.

        Not of an interface or a union: their subgraphs might not mean the same object.
        """
        for size in range(2, min(len(able), 4) + 1):
            found = [
                option
                for group in combinations(able, size)
                for option in self._with(state, number, group, False)
            ]  # fmt: skip
            if found:
                yield from found
                return

    def _some_enter_anew(self, name: str) -> bool:
        """Whether there are arrived subgraphs that must be entered anew for a field."""
        return any([self._enters_anew(name, one) for one in bits(self._arrived)])

    def _with(self, state: State, number: int, group: tuple[int, ...], requires: bool) -> Iterator[Option]:
        want, needers = state.wants[number], state.needers[number]
        below = self.arrive(want, group)
        child = self._below(want, below)
        if child[0] < 0:
            return
        new = [one for one in group if one not in state.doors and (requires or not self._arrived >> one & 1)]
        new = [one for one in new if requires or not self._is_provided(want, one)]
        if not new or self._is_root:
            yield Option(group, below, tuple((one, None) for one in new), len(new), child, requires)
            return
        ways = [self._ways(state, one, needers) for one in new]
        if all(ways):
            for first in ways[0]:
                doors = ((new[0], first), *((one, way[0]) for one, way in zip(new[1:], ways[1:], strict=True)))
                extra = sum(self._hops(state, entry, needers) for _, entry in doors)
                yield Option(group, below, doors, len(new) + extra, child, requires)

    def _is_provided(self, want: Want, subgraph: int) -> bool:
        return bool(self._reach.provided(self._name, want.name, self._arrival.views) >> subgraph & 1)

    def arrive(self, want: Want, group: tuple[int, ...]) -> Arrival | None:
        """Return how the objects below a want arrive when these subgraphs serve it."""
        if want.child is None:
            return None
        mask = sum(1 << one for one in group)
        reach = self._reach
        candidates = reach.everywhere if self._is_root else self._arrival.could
        if not self._is_root:
            candidates |= reach.closure(self._name, candidates)
        could = reach.resolvers(self._name, want.name) & candidates
        views = reach.views_below(self._name, want.name, mask, self._arrival.views)
        return Arrival(mask, could | mask, views)

    def _below(self, want: Want, below: Arrival | None) -> tuple[int, int]:
        """Return the cost of what hangs below; (-1, 0) when it cannot be served."""
        if want.child is None or below is None:
            return 0, 0
        site = self._chooser.site(want.child, below)
        return site.cost if site is not None else (-1, 0)

    def _ways(self, state: State, subgraph: int, needers: tuple[object, ...]) -> list[Entry]:
        """Return the keys by which a subgraph can be entered, cheapest first; only the first if its fields are here already."""
        found: list[Entry] = []
        is_back = self._arrived >> subgraph & 1
        others = self._closure & ~(1 << subgraph) | self._arrived  # a subgraph does not give its own key
        entries = self._reach.reentries if is_back else self._reach.entries_into
        for entry in entries(self._name, subgraph):
            if entry.typename == self._name and not self._is_typed and ("in", subgraph) in state.edges:
                continue
            if self._has(entry, self._arrived) or self._has(entry, others):
                found.append(entry)
        found.sort(key=lambda entry: (self._hops(state, entry, needers), entry.typename != self._name, len(entry.key)))
        if not self._is_typed:
            found.sort(key=lambda entry: entry.typename == self._name)
        return found[:1] if found and self._has(found[0], self._arrived) else found

    def _hops(self, state: State, entry: Entry | None, needers: tuple[object, ...]) -> int:
        """Return 1 where a key's fields come from none of the subgraphs entered so far that wait for no needer."""
        if entry is None or self._has(entry, self._arrived):
            return 0
        doors = (one for one in state.doors if not needers or not state.leads(("in", one), needers))
        return int(not self._has(entry, self._arrived | sum(1 << one for one in doors)))

    def _has(self, entry: Entry, mask: int) -> bool:
        return self._reach.obtains(self._name, entry.key, mask, self._arrival.views)

    def _typenames(self, state: State, needers: tuple[object, ...]) -> list[Option]:
        if self._is_typed:
            return [Option((), None, (), 0, (0, 0), False)]
        found: list[Option] = []
        known = self._reach.knows(self._name)
        for entry in self._reach.entries(self._name):
            if entry.typename == self._name or not known >> entry.subgraph & 1:
                continue
            if needers and state.leads(("in", entry.subgraph), needers):
                continue
            if self._reach.obtains(self._name, entry.key, self._closure, self._arrival.views):
                new = entry.subgraph not in state.doors
                doors = ((entry.subgraph, entry),) if new else ()
                found.append(Option((entry.subgraph,), None, doors, int(new), (0, 0), False))
        return _sorted(found)

    def _apply(self, state: State, number: int, option: Option) -> None:
        want = state.wants[number]
        state.taken[number] = (option.subgraphs, option.below)
        state.doors.update(option.doors)
        me = state.edges.setdefault(number, set())
        for subgraph in option.subgraphs:  # before the keys: no field opens the door that it comes through
            if subgraph in state.doors and (option.requires or not self._is_here(want, subgraph)):
                me.add(("in", subgraph))
        for subgraph, entry in option.doors:
            token = state.edges.setdefault(("in", subgraph), set())
            if entry is None:
                continue
            for need in field_set_wants(self._reach, self._name, entry.key):
                token.add(self._add(state, need, (("in", subgraph),)))
            if entry.typename == self._name and not self._is_typed:
                typename = Want("__typename", (), "String!", None, None)
                token.add(self._add(state, typename, (("in", subgraph),)))
        for subgraph in option.subgraphs:
            if option.requires:
                requires = self._reach.source(self._name, want.name, subgraph).requires
                for need in field_set_wants(self._reach, self._name, requires):
                    me.add(self._add(state, need, (number,)))

    def _is_here(self, want: Want, subgraph: int) -> bool:
        return bool(self._arrived >> subgraph & 1) or self._is_provided(want, subgraph)

    def _finish(self, state: State) -> None:
        levels: dict[object, int] = {}
        chains: dict[tuple[object, int], int] = {}
        visits: set[tuple[int, int]] = set()
        below: dict[tuple[object, ...], SiteChoice] = {}
        picks: list[Pick] = []
        depth = 0
        for number, want in enumerate(state.wants):
            subgraphs, arrival = state.taken[number]
            edges = state.edges.get(number)
            picks.append(Pick(want, subgraphs, arrival, _numbers(edges) if edges else ()))
            depth_here = 0
            if edges:
                depth_here = state.level(number, levels)
                for subgraph in subgraphs:
                    if ("in", subgraph) in edges:
                        visits.add((subgraph, state.chain(number, subgraph, chains)))
            if want.child is not None and arrival is not None:
                site = self._chooser.site(want.child, arrival)
                if site is not None:
                    below[(want.response or want.identity, want.child, arrival)] = site
                    depth_here += site.depth
            depth = max(depth, depth_here)
        doors = {number: Door(entry, _numbers(state.edges["in", number])) for number, entry in state.doors.items()}
        choice = Choice(tuple(picks), doors, frozenset(visits), below, depth)
        best = self._best
        if best is None or (choice.fetches, choice.depth) < (best.fetches, best.depth):
            self._best = choice


def _is_free(options: list[Option]) -> bool:
    """Whether the first option costs nothing that another would not."""
    first = options[0]
    return not first.extra and not first.requires and first.child <= min([one.child for one in options])


def _numbers(edges: set[object]) -> tuple[int, ...]:
    return tuple(sorted([one for one in edges if isinstance(one, int)]))


def _sorted(options: list[Option]) -> list[Option]:
    return options if len(options) < 2 else sorted(options, key=lambda one: (one.rank, one.subgraphs))
