"""Whether every query of the supergraph can be answered: a walk over (type, subgraphs we may be in), each state once.

A state that could be in fewer subgraphs and was fine covers all that could be in more, as entering is monotone: a state
is skipped when a subset of its subgraphs was seen. Paths are only kept to print a witness.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from router.composition.memory import Child, Memory
from router.composition.merge.merging import Merging
from router.composition.outcomes import Outcomes, forget_outcomes
from router.composition.report import HintLevel, Report
from router.composition.witness import Step, explain, witness_query
from router.supergraph.model import Supergraph, bits, named
from router.supergraph.reach import Reach, Views


class _State(NamedTuple):
    """An object of `type` standing in the subgraphs of `mask`, with what @provides brought along.

    `held` are the contexts that objects above it set.
    """

    type: str
    mask: int
    views: Views
    path: Step | None
    held: frozenset[str] = frozenset()


def check_satisfiability(supergraph: Supergraph, merging: Merging, memory: Memory) -> None:
    """SATISFIABILITY_ERROR for each field some query cannot get, with a query that shows it and why it fails.

    With labels on @override, the graph must hold with all labels off, all on, and each alone.
    """
    told: set[str] = set()
    forgotten = forget_outcomes(supergraph, memory)
    for labels in _label_sets(supergraph, merging):
        known = memory.outcomes.setdefault(labels, {})
        outcomes = Outcomes(supergraph, merging, Reach(supergraph, labels), known)
        if labels in memory.satisfied and outcomes.agree(forgotten.get(labels, {})):
            continue
        before = len(told)
        _Walk(supergraph, merging, outcomes, told).run()
        (memory.satisfied.add if len(told) == before else memory.satisfied.discard)(labels)


def _label_sets(supergraph: Supergraph, merging: Merging) -> list[frozenset[str]]:
    if not any("override" in (one.applied_names or ()) for one in merging.subgraphs):
        return [frozenset()]
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

    def __init__(self, supergraph: Supergraph, merging: Merging, outcomes: Outcomes, told: set[str]) -> None:
        self._supergraph = supergraph
        self._merging = merging
        self._outcomes = outcomes
        self._reach = outcomes.reach
        self._told = told
        self._seen: dict[tuple[str, Views, frozenset[str]], dict[int, None]] = {}
        self._open: list[_State] = []

    def run(self) -> None:
        for operation, root in self._supergraph.roots.items():
            start = Step(None, "" if operation == "query" else operation, "")
            self.follow(_State(root, self._reach.types[root].subgraphs, (), start))

    def follow(self, start: _State) -> None:
        """Visit a state and all that can be selected below it."""
        self._open.append(start)
        while self._open:
            state = self._open.pop()
            if not self._is_covered(state.type, state.mask, state.views, state.held):
                self._seen.setdefault((state.type, state.views, state.held), {})[state.mask] = None
                self._visit(state)

    def _is_covered(self, name: str, mask: int, views: Views, held: frozenset[str]) -> bool:
        seen = self._seen.get((name, views, held))
        if seen is None:
            return False
        return mask in seen or (bool(mask & (mask - 1)) and any(other & mask == other for other in seen))

    def _visit(self, state: _State) -> None:
        children, failed, shared = self._outcomes.of(state.type, state.mask, state.views, state.held)
        for name, mask in failed:
            self._fail(state, name, mask)
        for name, child, able in shared:
            self._check_runtime_types(state.type, name, child, able)
        is_mutation = state.type == self._supergraph.roots.get("mutation")
        for one in self._complete(children) if is_mutation else children:
            if not self._is_covered(one.type, one.mask, one.views, one.held):
                step = Step(state.path, one.text, one.owner)
                self._open.append(_State(one.type, one.mask, one.views, step, one.held))

    def _complete(self, children: Iterable[Child]) -> Iterator[Child]:
        """A shared mutation runs in one subgraph: go on from one whose result is complete."""
        for child in children:
            if not child.mask & (child.mask - 1):
                yield child
                continue
            alone = [self._outcomes.narrowed(child, number) for number in bits(child.mask)]
            yield next((one for one in alone if self._is_complete(one)), alone[0])

    def _is_complete(self, child: Child) -> bool:
        scratch = Merging(self._merging.subgraphs, Report(), shown=self._merging.shown)
        walk = _Walk(self._supergraph, scratch, self._outcomes, set())
        walk.follow(_State(child.type, child.mask, child.views, Step(None, "mutation", ""), child.held))
        return not scratch.report.errors

    def _check_runtime_types(self, owner: str, name: str, child: str, able: int) -> None:
        """A shared field must mean the same set of object types everywhere, at least one in common."""
        reach, at = self._reach, f"{owner}.{name}"
        real = able & ~reach.types[child].interface_objects
        sets = {
            number: reach.possible_in(named(reach.source(owner, name, number).type or child), number)
            for number in bits(real)
        }
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
            self._merging.report.error("SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES", message, at=self._merging.places(at))
            return
        message = f"{at} is resolved by {self._merging.names(sets)}, with different object types of {child}: {told}."
        self._merging.hint("INCONSISTENT_RUNTIME_TYPES_FOR_SHAREABLE_RETURN", HintLevel.WARN, message, at)

    def _fail(self, state: _State, name: str, mask: int) -> None:
        at = f"{state.type}.{name}"
        if at in self._told:
            return
        self._told.add(at)
        query = witness_query(self._supergraph, Step(state.path, name, state.type))
        reasons = explain(self._reach, state.type, name, mask=mask, views=state.views, held=state.held)
        told = "\n".join(
            f'- "{self._supergraph.subgraphs[number].name}": {reason}.' for number, reason in reasons.items()
        )
        message = f"{at} cannot be had in this query:\n{query}\nbecause of\n{told}"
        places = dict.fromkeys([*self._merging.places(at), *self._merging.sides(at, reasons)])
        self._merging.report.error("SATISFIABILITY_ERROR", message, at=places)
