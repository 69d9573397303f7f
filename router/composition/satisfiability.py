"""Whether every query of the supergraph can be answered: a walk over (type, subgraphs we may be in), each state once.

A state that could be in fewer subgraphs and was fine covers all that could be in more, as entering is monotone: a state
is skipped when a subset of its subgraphs was seen. Paths are only kept to print a witness.
"""

from typing import NamedTuple

from router.composition.merge.merging import Merging
from router.composition.report import HintLevel, Report
from router.composition.witness import Step, explain, witness_query
from router.supergraph.model import Supergraph, bits, named
from router.supergraph.reach import Reach, Views


class _State(NamedTuple):
    """An object of `type` standing in the subgraphs of `mask`, with what @provides brought along."""

    type: str
    mask: int
    views: Views
    path: Step | None


def check_satisfiability(supergraph: Supergraph, merging: Merging) -> None:
    """SATISFIABILITY_ERROR for each field some query cannot get, with a query that shows it and why it fails.

    With labels on @override, the graph must hold with all labels off, all on, and each alone.
    """
    told: set[str] = set()
    for labels in _label_sets(supergraph):
        _Walk(supergraph, merging, Reach(supergraph, labels), told).run()


def _label_sets(supergraph: Supergraph) -> list[frozenset[str]]:
    labels = {
        source.override_label
        for one in supergraph.types.values()
        for field in one.fields.values()
        for source in field.sources.values()
        if source.override_label is not None
    }
    if not labels:
        return [frozenset()]
    return list(dict.fromkeys([frozenset[str](), frozenset(labels), *(frozenset([one]) for one in sorted(labels))]))


class _Walk:
    """One walk from the roots. `told` are coordinates already reported."""

    def __init__(self, supergraph: Supergraph, merging: Merging, reach: Reach, told: set[str]) -> None:
        self._supergraph = supergraph
        self._merging = merging
        self._reach = reach
        self._told = told
        self._hide = merging.shown.get("inaccessible")
        self._seen: dict[tuple[str, Views], list[int]] = {}
        self._open: list[_State] = []
        self._roots = frozenset(supergraph.roots.values())
        self._visible: dict[str, list[tuple[str, str, bool]]] = {}

    def run(self) -> None:
        for operation, root in self._supergraph.roots.items():
            start = Step(None, "" if operation == "query" else operation, "")
            self.follow(_State(root, self._reach.types[root].subgraphs, (), start))

    def follow(self, start: _State) -> None:
        """Visit a state and all that can be selected below it."""
        self._open.append(start)
        while self._open:
            state = self._open.pop()
            if self._is_new(state):
                self._visit(state)

    def _is_new(self, state: _State) -> bool:
        seen = self._seen.setdefault((state.type, state.views), [])
        if any(mask & state.mask == mask for mask in seen):
            return False
        seen.append(state.mask)
        return True

    def _visit(self, state: _State) -> None:
        reach = self._reach
        if reach.is_abstract(state.type):
            self._narrow(state)
            return
        arrived = reach.everywhere if state.type in self._roots else state.mask
        mask = reach.closure(state.type, arrived, state.views)
        for name, child, is_composite in self._fields(state.type):
            able = self._resolving(state, name, mask)
            if not able:
                self._fail(state, name, mask)
            elif is_composite:
                self._descend(state, name, child, able)

    def _fields(self, owner: str) -> list[tuple[str, str, bool]]:
        """Return name, named type and whether that is composite, of each field a client may see."""
        found = self._visible.get(owner)
        if found is None:
            found = self._visible[owner] = [
                (field.name, named(field.type), self._reach.is_composite(named(field.type)))
                for field in self._reach.types[owner].fields.values()
                if self._hide is None or not any(use.name == self._hide for use in field.applied)
            ]
        return found

    def _resolving(self, state: _State, name: str, mask: int) -> int:
        """Return who can resolve a field; after fetching what it @requires, its subgraph must be entered again."""
        able = self._reach.able(state.type, name, mask, state.views)
        for number in bits(able):
            requires = self._reach.source(state.type, name, number).requires
            if requires and not self._can_return(state, number):
                alone = 1 << number
                if not state.mask & alone or not self._reach.obtains(state.type, requires, alone, state.views):
                    able &= ~alone
        return able

    def _can_return(self, state: _State, number: int) -> bool:
        return any(way.subgraph == number for way in self._reach.entries(state.type))

    def _narrow(self, state: _State) -> None:
        """An abstract type: each object type that one of the subgraphs may return."""
        reach = self._reach
        standing = reach.types[state.type].interface_objects & state.mask
        for possible in reach.possible(state.type):
            mask = standing
            for number in bits(state.mask & ~standing):
                if possible in reach.possible_in(state.type, number):
                    mask |= 1 << number
            if mask and not self._is_hidden(possible):
                views = tuple(one for one in state.views if mask >> one[0] & 1)
                self._open.append(_State(possible, mask, views, Step(state.path, f"... on {possible}", possible)))

    def _is_hidden(self, name: str) -> bool:
        return self._hide is not None and any(use.name == self._hide for use in self._reach.types[name].applied)

    def _descend(self, state: _State, name: str, child: str, able: int) -> None:
        if able & (able - 1) and self._reach.is_abstract(child):
            self._check_runtime_types(state, name, child, able)
        step = Step(state.path, name, state.type)
        if able & (able - 1) and state.type == self._supergraph.roots.get("mutation"):
            able = self._complete(state, name, child, able)
        below = self._reach.views_below(state.type, name, able, state.views)
        self._open.append(_State(child, able, below, step))

    def _complete(self, state: _State, name: str, child: str, able: int) -> int:
        """Of the subgraphs that share a mutation, return one whose result is complete: it runs in one only."""
        for number in bits(able):
            alone = 1 << number
            scratch = Merging(self._merging.subgraphs, Report(), shown=self._merging.shown)
            walk = _Walk(self._supergraph, scratch, self._reach, set())
            walk.follow(_State(child, alone, self._reach.views_below(state.type, name, alone, state.views), None))
            if not scratch.report.errors:
                return alone
        return able & -able

    def _check_runtime_types(self, state: _State, name: str, child: str, able: int) -> None:
        """A shared field must mean the same set of object types everywhere, at least one in common."""
        reach = self._reach
        real = able & ~reach.types[child].interface_objects
        sets = {number: reach.possible_in(child, number) for number in bits(real)}
        at = f"{state.type}.{name}"
        if len(set(sets.values())) < 2 or at in self._told:
            return
        self._told.add(at)
        told = "; ".join(f"{', '.join(sorted(one)) or 'none'} in {self._merging.names([n])}" for n, one in sets.items())
        common = set(reach.possible(child))
        for one in sets.values():
            common &= one
        if not common:
            message = (
                f"{at} is resolved by {self._merging.names(sets)}, but its type {child} has no object type common to "
                f"them ({told}): a shared field must give the same everywhere."
            )
            places = self._merging.places(at)
            self._merging.report.error("SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES", message, at=places)
            return
        message = f"{at} is resolved by {self._merging.names(sets)}, with different object types of {child}: {told}."
        self._merging.hint("INCONSISTENT_RUNTIME_TYPES_FOR_SHAREABLE_RETURN", HintLevel.WARN, message, at)

    def _fail(self, state: _State, name: str, mask: int) -> None:
        at = f"{state.type}.{name}"
        if at in self._told:
            return
        self._told.add(at)
        query = witness_query(self._supergraph, Step(state.path, name, state.type))
        reasons = explain(self._reach, state.type, name, mask=mask, views=state.views)
        told = "\n".join(
            f'- "{self._supergraph.subgraphs[number].name}": {reason}.' for number, reason in reasons.items()
        )
        message = f"{at} cannot be had in this query:\n{query}\nbecause of\n{told}"
        self._merging.report.error("SATISFIABILITY_ERROR", message, at=self._merging.places(at))
