"""Every case in cases/: the codes it gives, and what must hold whatever is composed."""

import random

from mewayz.error_catalogue import catalogue
from router.composition import compose
from router.composition.report import HintLevel
from router.supergraph.sdl import parse_supergraph, print_supergraph
from tests.router.composition.conftest import CASES, Case, cases

LEVELS = {  # of @apollo/composition 2.14.4; NONNULL_BLAST_RADIUS is ours
    HintLevel.WARN: {
        "DIRECTIVE_COMPOSITION_WARN",
        *("FROM_SUBGRAPH_DOES_NOT_EXIST", "INCONSISTENT_ARGUMENT_PRESENCE", "INCONSISTENT_DEFAULT_VALUE_PRESENCE"),
        *("INCONSISTENT_DESCRIPTION", "INCONSISTENT_ENUM_VALUE_FOR_INPUT_ENUM", "INCONSISTENT_INPUT_OBJECT_FIELD"),
        *("INCONSISTENT_EXECUTABLE_DIRECTIVE_LOCATIONS", "INCONSISTENT_EXECUTABLE_DIRECTIVE_PRESENCE"),
        *("INCONSISTENT_EXECUTABLE_DIRECTIVE_REPEATABLE", "INCONSISTENT_NON_REPEATABLE_DIRECTIVE_ARGUMENTS"),
        *("INCONSISTENT_RUNTIME_TYPES_FOR_SHAREABLE_RETURN", "NO_EXECUTABLE_DIRECTIVE_INTERSECTION"),
    },
    HintLevel.INFO: {
        *("CONTEXTUAL_ARGUMENT_NOT_CONTEXTUAL_IN_ALL_SUBGRAPHS", "DIRECTIVE_COMPOSITION_INFO", "INCONSISTENT_ENTITY"),
        *("IMPLICITLY_UPGRADED_FEDERATION_VERSION", "INCONSISTENT_BUT_COMPATIBLE_ARGUMENT_TYPE"),
        *("INCONSISTENT_BUT_COMPATIBLE_FIELD_TYPE", "MERGED_NON_REPEATABLE_DIRECTIVE_ARGUMENTS"),
        *("NONNULL_BLAST_RADIUS", "OVERRIDDEN_FIELD_CAN_BE_REMOVED", "OVERRIDE_DIRECTIVE_CAN_BE_REMOVED"),
        "OVERRIDE_MIGRATION_IN_PROGRESS",
    },
    HintLevel.DEBUG: {
        *("INCONSISTENT_ENUM_VALUE_FOR_OUTPUT_ENUM", "INCONSISTENT_INTERFACE_VALUE_TYPE_FIELD"),
        *("INCONSISTENT_OBJECT_VALUE_TYPE_FIELD", "INCONSISTENT_UNION_MEMBER", "UNUSED_ENUM_TYPE"),
    },
}


def test_composing_gives_exactly_these_errors_and_at_least_these_hints(case: Case) -> None:
    made = compose(case.subgraphs)

    assert sorted({one.code for one in made.errors}) == sorted(set(case.errors)), [str(one) for one in made.errors]
    assert set(case.hints) <= {one.code for one in made.hints}
    assert (made.supergraph is None) == bool(case.errors)
    assert (made.sdl is None) == bool(case.errors)


def test_the_supergraph_shows_what_the_merge_rules_say(valid_case: Case) -> None:
    sdl = compose(valid_case.subgraphs).sdl or ""

    assert [line for line in valid_case.shows if line not in [one.strip() for one in sdl.split("\n")]] == [], sdl


def test_a_hint_has_the_level_that_apollo_gives_it(case: Case) -> None:
    for hint in compose(case.subgraphs).hints:
        assert hint.code in LEVELS[hint.level], hint


def test_every_error_in_a_subgraph_names_its_place(case: Case) -> None:
    names = {one.name: one.sdl.count("\n") + 1 for one in case.subgraphs}

    for error in compose(case.subgraphs).errors:
        assert error.locations or error.code in ("NO_QUERIES", "INVALID_SUBGRAPH_NAME"), error
        for place in error.locations:
            assert 1 <= place.line <= names[place.subgraph]
            assert place.column >= 1


def test_an_error_has_a_place_in_each_subgraph_that_it_names(case: Case) -> None:
    for error in compose(case.subgraphs).errors:
        named = {
            one.name for one in case.subgraphs if f'"{one.name}"' in error.message or f"[{one.name}]" in error.message
        }
        if error.code != "INVALID_SUBGRAPH_NAME":
            assert named <= {place.subgraph for place in error.locations}, error


def test_model_to_sdl_to_model_is_the_identity(valid_case: Case) -> None:
    made = compose(valid_case.subgraphs)

    assert made.supergraph is not None
    assert made.sdl is not None
    assert parse_supergraph(made.sdl) == made.supergraph
    assert print_supergraph(parse_supergraph(made.sdl)) == made.sdl


def test_the_order_of_subgraphs_changes_nothing(case: Case) -> None:
    shuffled = random.Random(7).sample(case.subgraphs, len(case.subgraphs))

    assert compose(shuffled) == compose(case.subgraphs)


def test_every_code_is_told_in_a_case_and_every_error_has_one_that_fails_and_one_that_composes() -> None:
    every = [case for file in CASES.glob("*.txt") for case in cases(file)]
    errors = {code for case in every for code in case.errors}
    hints = {code for case in every for code in case.hints}
    mended = {code for case in every for code in case.mended}

    written = {one.code for one in catalogue().composition}

    assert len(errors) >= 86
    assert written - errors - hints == {"CONTRACT_EMPTY"}  # test_contracts.py
    assert errors - mended == set()
    assert errors - written == set()
