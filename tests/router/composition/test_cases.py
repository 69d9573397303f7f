"""Every case in cases/: the codes it gives, and what must hold whatever is composed."""

import random
import re
from pathlib import Path

import router.composition
from router.composition import compose
from router.supergraph.sdl import parse_supergraph, print_supergraph
from tests.router.composition.conftest import CASES, Case, cases

ROOM = Path(router.composition.__file__).parent
TOLD = re.compile(r'error\(\s*(?:code=)?"([A-Z0-9_]+)"|(?:code|mismatch|required)="([A-Z0-9_]+)"')


def test_composing_gives_exactly_these_errors_and_at_least_these_hints(case: Case) -> None:
    made = compose(case.subgraphs)

    assert sorted({one.code for one in made.errors}) == sorted(set(case.errors)), [str(one) for one in made.errors]
    assert set(case.hints) <= {one.code for one in made.hints}
    assert (made.supergraph is None) == bool(case.errors)
    assert (made.sdl is None) == bool(case.errors)


def test_every_error_in_a_subgraph_names_its_place(case: Case) -> None:
    names = {one.name: one.sdl.count("\n") + 1 for one in case.subgraphs}

    for error in compose(case.subgraphs).errors:
        assert error.locations or error.code in ("NO_QUERIES", "INVALID_SUBGRAPH_NAME", "LINK_IMPORT_NAME_MISMATCH"), (
            error
        )
        for place in error.locations:
            assert 1 <= place.line <= names[place.subgraph]
            assert place.column >= 1


def test_model_to_sdl_to_model_is_the_identity(valid_case: Case) -> None:
    made = compose(valid_case.subgraphs)

    assert made.supergraph is not None
    assert made.sdl is not None
    assert parse_supergraph(made.sdl) == made.supergraph
    assert print_supergraph(parse_supergraph(made.sdl)) == made.sdl


def test_the_order_of_subgraphs_changes_nothing(case: Case) -> None:
    shuffled = random.Random(7).sample(case.subgraphs, len(case.subgraphs))

    assert compose(shuffled) == compose(case.subgraphs)


def test_every_error_that_composition_can_tell_is_told_in_a_case() -> None:
    shown = {code for file in CASES.glob("*.txt") for case in cases(file) for code in case.errors}
    written = {code for file in ROOM.rglob("*.py") for pair in TOLD.findall(file.read_text()) for code in pair if code}

    assert len(written) > 50
    assert len(shown) >= 84
    assert written - shown == {"TENANT_UNSCOPED", "TENANT_MISMATCH"}  # test_tenancy.py
