"""What we compose is a supergraph to Apollo's router, and their composer gives our verdicts; differential.py does it at length."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from benchmarks.composition import catalogue
from router.composition import compose
from router.supergraph.model import Applied, Argument, Field, Source, Supergraph, Type
from router.supergraph.sdl import parse_supergraph
from tests.interop.node import NODE_MODULES, needs_node, run_node
from tests.router.composition.conftest import CASES, cases
from tests.router.composition.differential import npm_codes, sets
from tests.router.composition.generated import random_set

pytestmark = [needs_node, pytest.mark.timeout(120)]


def test_every_supergraph_is_read_by_apollo() -> None:
    valid = [case.subgraphs for file in sorted(CASES.glob("*.txt")) for case in cases(file) if not case.errors]
    composed = [compose(one).sdl for one in [*valid, catalogue(), *(random_set(seed) for seed in range(0, 200, 2))]]

    problems = run_node("supergraphs.mjs", [sdl for sdl in composed if sdl is not None])

    assert len(problems) > 150
    assert [one for one in problems if one is not None] == []


def test_a_supergraph_and_its_hints_are_those_that_apollo_makes() -> None:
    cases_ = [case.subgraphs for file in sorted(CASES.glob("*.txt")) for case in cases(file) if not case.errors]
    sets_ = [sorted(one, key=lambda subgraph: subgraph.name) for one in [*cases_, *map(random_set, range(150))]]

    theirs = run_node("compositions.mjs", [[asdict(subgraph) for subgraph in one] for one in sets_])

    compared = [(compose(one), other) for one, other in zip(sets_, theirs, strict=True)]
    both = [(mine, other) for mine, other in compared if mine.supergraph is not None and other["sdl"] is not None]
    assert len(both) > 280
    for mine, other in both:
        assert mine.supergraph is not None
        assert _comparable(mine.supergraph) == _comparable(parse_supergraph(other["sdl"]))
        hints = sorted(f"{one.code} {one.level.name}" for one in mine.hints if one.code != "NONNULL_BLAST_RADIUS")
        assert hints == [one for one in other["hints"] if "tenant__Scope" not in str(mine.sdl) or "ENUM" not in one]


def _comparable(supergraph: Supergraph) -> Supergraph:
    """Apollo repeats a merged type in @join__field, keeps blanks of a selection, declares unused directives, orders otherwise."""
    types = {
        name: replace(one, fields=_plain(one.fields), applied=_ordered(one)) for name, one in supergraph.types.items()
    }
    links = tuple(sorted(supergraph.links, key=repr))
    return replace(supergraph, types=types, directives={}, links=links, applied=_ordered(supergraph))


def _plain(fields: Mapping[str, Field]) -> dict[str, Field]:
    return {
        name: replace(
            one,
            sources={number: _source(one, source) for number, source in one.sources.items()},
            arguments={at: replace(argument, applied=_ordered(argument)) for at, argument in one.arguments.items()},
            applied=_ordered(one),
        )
        for name, one in fields.items()
    }


def _source(field: Field, source: Source) -> Source:
    contexts = tuple(replace(one, selection=one.selection.strip()) for one in source.context_arguments)
    return replace(source, type=None if source.type == field.type else source.type, context_arguments=contexts)


def _ordered(element: Supergraph | Type | Field | Argument) -> tuple[Applied, ...]:
    return tuple(sorted(element.applied, key=repr))


def test_apollo_finds_the_same_codes_in_every_breakage() -> None:
    made = [(name, seed, one) for name, seed, one in sets(245, 0) if name != "none"]

    theirs = npm_codes(Path(NODE_MODULES).parent, "@apollo/composition", [one for _, _, one in made])

    ours = [sorted({error.code for error in compose(one).errors}) for _, _, one in made]
    assert len({name for name, _, _ in made}) == 127
    assert [
        (name, seed) for (name, seed, _), mine, other in zip(made, ours, theirs, strict=True) if mine != other
    ] == []
