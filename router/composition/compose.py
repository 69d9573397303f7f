"""Composing: read, check, merge, satisfy, print."""

import gc
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass

from router.composition.facts import SubgraphFacts
from router.composition.memory import Memory, ReadSubgraph, replay
from router.composition.merge.types import merge
from router.composition.report import CompositionError, Hint, Report
from router.composition.rules.auth import check_transitive_auth
from router.composition.rules.blast import hint_on_blast_radius
from router.composition.rules.implementations import (
    check_defaults,
    check_implementations,
    check_interface_entities,
)
from router.composition.rules.inaccessible import check_inaccessible
from router.composition.rules.subgraph import check_subgraph
from router.composition.rules.tenancy import check_tenancy
from router.composition.satisfiability import check_satisfiability
from router.composition.subgraph import Subgraph, check_names, read_subgraph
from router.composition.upgrade import upgrade
from router.composition.usage import work_out
from router.supergraph.model import Supergraph
from router.supergraph.sdl_print import print_supergraph


@dataclass(frozen=True, slots=True)
class Composition:
    """What came of composing: a supergraph and its SDL, or errors; hints in either case."""

    supergraph: Supergraph | None
    sdl: str | None
    errors: tuple[CompositionError, ...]
    hints: tuple[Hint, ...]


def compose(subgraphs: Iterable[Subgraph], *, require_tenancy: bool = False) -> Composition:
    """Compose subgraphs into a supergraph. With `require_tenancy` every subgraph marks its types with @tenant.

    Raises nothing for what stands in an SDL: all of it is in `errors`, whose codes are Apollo's where Apollo has one.
    The order of the subgraphs does not matter.
    """
    return Composer().compose(subgraphs, require_tenancy=require_tenancy)


class Composer:
    """Composes again and again, reusing what the last composition made of subgraphs that have not changed.

    The result is the same as from `compose`.
    """

    def __init__(self) -> None:
        self._memory = Memory()

    def compose(self, subgraphs: Iterable[Subgraph], *, require_tenancy: bool = False) -> Composition:
        """Compose as `compose` does."""
        given = sorted(subgraphs, key=lambda one: one.name)
        report, memory = Report(), self._memory
        digests = [one.digest for one in given]
        memory.begin(given, digests)
        with _no_garbage_collection():
            facts = _read(given, digests, report, memory)
            supergraph = _merge(facts, report, memory, require_tenancy=require_tenancy)
            sdl = print_supergraph(supergraph, memory.printed) if supergraph is not None else None
        return Composition(supergraph, sdl, tuple(report.errors), tuple(report.hints))


def _read(given: list[Subgraph], digests: list[str], report: Report, memory: Memory) -> list[SubgraphFacts]:
    """Read and check each subgraph for itself; those that were checked before are told of as before."""
    check_names(given, report)
    known = {digest: memory.read.get(digest) for digest in digests}
    facts: list[SubgraphFacts] = []
    for index, (one, digest) in enumerate(zip(given, digests, strict=True)):
        before, told = known[digest], Report()
        read = before.facts if before else read_subgraph(one, index, told)
        report.errors += told.errors
        if read is not None and not before:
            read.hints = tuple(told.hints)
        if read is not None:
            read.digest = digest
            facts.append(read)
    if report.errors:
        return facts
    upgrade(facts, report)
    if report.errors:
        return facts
    for one in facts:
        before = known[one.digest] or _checked(one)
        if one.is_federation_2:  # an upgrade looks at the other subgraphs, so its result is not kept
            memory.read[one.digest] = before
        replay(report, before.errors, before.hints)
    return facts


def _checked(facts: SubgraphFacts) -> ReadSubgraph:
    told = Report(hints=list(facts.hints))
    work_out(facts)
    check_subgraph(facts, told)
    return ReadSubgraph(facts, tuple(told.errors), tuple(told.hints))


def _merge(facts: list[SubgraphFacts], report: Report, memory: Memory, *, require_tenancy: bool) -> Supergraph | None:
    if report.errors:
        return None
    merging, supergraph = merge(facts, report, memory)
    check_interface_entities(merging)
    if not report.errors:
        check_implementations(merging, supergraph)
    if not report.errors:
        check_defaults(merging, supergraph)
        check_inaccessible(supergraph, merging)
        check_transitive_auth(merging, supergraph)
    if not report.errors:
        check_satisfiability(supergraph, merging, memory)
        check_tenancy(merging, supergraph, require=require_tenancy)
        hint_on_blast_radius(merging, supergraph, memory)
    return None if report.errors else supergraph


@contextmanager
def _no_garbage_collection() -> Generator[None]:
    """Composition makes many objects and no cycles worth collecting meanwhile."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
