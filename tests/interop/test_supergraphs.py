"""What we compose is a supergraph to Apollo's router, and their composer gives our verdicts; differential.py does it at length."""

from pathlib import Path

import pytest

from benchmarks.composition import catalogue
from router.composition import compose
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


def test_apollo_finds_the_same_codes_in_every_breakage() -> None:
    made = [(name, seed, one) for name, seed, one in sets(245, 0) if name != "none"]

    theirs = npm_codes(Path(NODE_MODULES).parent, "@apollo/composition", [one for _, _, one in made])

    ours = [sorted({error.code for error in compose(one).errors}) for _, _, one in made]
    assert len({name for name, _, _ in made}) == 127
    assert [
        (name, seed) for (name, seed, _), mine, other in zip(made, ours, theirs, strict=True) if mine != other
    ] == []
