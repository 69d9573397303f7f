"""Bad input ends in an error with code and place, never in a traceback."""

import time

import pytest

from router.composition import Composition, Subgraph, compose


def codes(*sdls: str) -> list[str]:
    return [error.code for error in made(*sdls).errors]


def made(*sdls: str) -> Composition:
    return compose([Subgraph(f"s{number}", "http://s", sdl) for number, sdl in enumerate(sdls)])


@pytest.mark.parametrize(
    "sdl",
    [
        "",
        " ",
        "\x00",
        "{",
        "type",
        "type Query",
        "type Query {}",
        'type Query { a: Int } """',
        "\ud800 type Query { a: Int }",
        "type Query { a: " + "[" * 5000 + "Int" + "]" * 5000 + " }",
        "type Query { a(x: Int = " + "[" * 5000 + "]" * 5000 + "): Int }",
        'type Query { a: A } type A @key(fields: "' + "a { " * 5000 + '") { a: A }',
        "schema { query: Query query: Query } type Query { a: Int }",
        "schema { query: Nope } type A { a: Int }",
        "type Query { a(x: Int = " + "9" * 5000 + "): Int }",
    ],
    ids=lambda sdl: repr(sdl[:30]),
)
def test_what_is_no_schema_is_an_error(sdl: str) -> None:
    assert codes(sdl)


def test_no_subgraphs_have_no_queries() -> None:
    assert codes() == ["NO_QUERIES"]


def test_a_syntax_error_names_its_place() -> None:
    error = made("type Query {\n  a: }\n").errors[0]

    assert error.code == "INVALID_GRAPHQL"
    assert [(one.subgraph, one.line, one.column) for one in error.locations] == [("s0", 2, 6)]


def test_types_that_refer_to_each_other_in_circles_compose() -> None:
    link = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])\n'
    one = 'type Query { a: A } type A @key(fields: "b { id }") { id: ID! b: B! } type B @key(fields: "a { id }") { id: ID! a: A! }'
    other = 'type A @key(fields: "b { id }") { b: B! x: Int } type B @key(fields: "a { id }") { id: ID! a: A! }'

    assert codes(link + one, link + other.replace("type B", "type C").replace("b: B!", "b: C!")) != []
    assert codes(link + one) == []


def test_a_long_schema_is_composed_in_seconds() -> None:
    types = "\n".join(f"type T{number} {{ a: Int b: String c: [T{number}!]! }}" for number in range(10_000))
    started = time.process_time()

    assert codes(f"type Query {{ a: Int }}\n{types}") == []
    assert time.process_time() - started < 15


def test_ten_megabytes_of_types_are_more_than_is_read_and_told_with_a_place() -> None:
    types = "\n".join(f"type T{number} {{ a: Int b: String c: [T{number}!]! }}" for number in range(220_000))

    error = made(f"type Query {{ a: Int }}\n{types}").errors[0]

    assert len(types) > 10_000_000
    assert (error.code, error.locations[0].subgraph) == ("INVALID_GRAPHQL", "s0")
    assert error.locations[0].line > 50_000


def test_ten_megabytes_of_descriptions_compose() -> None:
    types = "\n".join(f'"""{"x" * 2000}"""\ntype T{number} {{ a: Int }}' for number in range(5_000))

    assert len(types) > 10_000_000
    assert codes(f"type Query {{ a: Int }}\n{types}") == []
