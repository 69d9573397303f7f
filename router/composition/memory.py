"""What a composition leaves behind for the next one: all that depends on unchanged subgraphs only.

Identity is the test for "unchanged": a subgraph with the same digest keeps its facts, a type with the same facts (and the
same surroundings, where its merge looked at them) keeps its merged type, a merged type keeps its text and its outcomes.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from router.composition.facts import Field, SubgraphFacts, TypeFacts
from router.composition.report import CompositionError, Hint, Report
from router.composition.subgraph import Subgraph
from router.supergraph.model import Field as ModelField
from router.supergraph.model import Type
from router.supergraph.reach import Views


class ReadSubgraph(NamedTuple):
    """A subgraph as read and checked for itself."""

    facts: SubgraphFacts
    errors: tuple[CompositionError, ...]
    hints: tuple[Hint, ...]


class MergedType(NamedTuple):
    """A merged type with all that was told on the way. `sources` are kept so that their identities stay theirs."""

    sources: tuple[TypeFacts, ...]
    surroundings: tuple[object, ...]
    asked_supertypes: bool
    type: Type | None
    inputs: dict[str, str]
    outputs: dict[str, str]
    errors: tuple[CompositionError, ...]
    hints: tuple[Hint, ...]


class MergedField(NamedTuple):
    """A merged field of a root, which many subgraphs have a part in; only one that nothing was told about is kept."""

    indexes: tuple[int, ...]
    sources: tuple[Field, ...]
    field: ModelField


class Child(NamedTuple):
    """A state that a state leads to: by `text`, which is a field of `owner` or a fragment. `held` are its contexts."""

    text: str
    owner: str
    type: str
    mask: int
    views: Views
    held: frozenset[str] = frozenset()


class Outcome(NamedTuple):
    """What a state of the satisfiability walk leads to, and which fields it fails to get from which subgraphs."""

    children: tuple[Child, ...]
    failed: tuple[tuple[str, int], ...]
    shared: tuple[tuple[str, str, int], ...]


@dataclass(slots=True)
class Memory:
    """Everything kept. `outcomes` are per set of override labels, then per (type, mask, views);
    `satisfied` are the sets of labels whose last walk found nothing to tell."""

    names: tuple[str, ...] = ()
    read: dict[str, ReadSubgraph] = field(default_factory=dict[str, ReadSubgraph])
    surroundings: tuple[object, ...] = ()
    supertypes: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    merged: dict[str, MergedType] = field(default_factory=dict[str, MergedType])
    types: dict[str, Type] = field(default_factory=dict[str, Type])
    fields: dict[tuple[str, str], MergedField] = field(default_factory=dict[tuple[str, str], MergedField])
    query: tuple[Type, Type] | None = None
    homes: dict[str, tuple[Type, int | None]] = field(default_factory=dict[str, tuple[Type, int | None]])
    crossing: dict[str, tuple[Type, tuple[ModelField, ...]]] = field(
        default_factory=dict[str, tuple[Type, tuple[ModelField, ...]]]
    )
    printed: dict[str, tuple[Type, str]] = field(default_factory=dict[str, tuple[Type, str]])
    dependencies: dict[str, tuple[Type, frozenset[str]]] = field(default_factory=dict[str, tuple[Type, frozenset[str]]])
    roots: dict[str, str] = field(default_factory=dict[str, str])
    satisfied: set[frozenset[str]] = field(default_factory=set[frozenset[str]])
    outcomes: dict[frozenset[str], dict[tuple[str, int, Views, frozenset[str]], Outcome]] = field(
        default_factory=dict[frozenset[str], dict[tuple[str, int, Views, frozenset[str]], Outcome]]
    )

    def begin(self, given: list[Subgraph], digests: list[str]) -> None:
        """Forget what a change in the list of subgraphs makes wrong, and subgraphs no longer there."""
        names = tuple(one.name for one in given)
        if names != self.names:
            self.names = names
            self.read.clear()
            self.merged.clear()
            self.fields.clear()
            self.types.clear()
            self.printed.clear()
            self.outcomes.clear()
            self.satisfied.clear()
        for digest in self.read.keys() - set(digests):
            del self.read[digest]

    def forget_merges(self) -> None:
        """Forget all merged types: something that every merge looks at has changed."""
        self.merged.clear()
        self.fields.clear()


def replay(report: Report, errors: tuple[CompositionError, ...], hints: tuple[Hint, ...]) -> None:
    """Tell again what was told the last time."""
    report.errors += errors
    report.hints += hints
