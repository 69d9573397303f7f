"""Preparing: caches, literals, refusals."""

import pytest

from router.errors import BadVariables, ParseFailed, UnknownOperation, ValidationFailed
from router.execution.prepared import Graph
from tests.router.planning.test_features import shop

pytestmark = pytest.mark.anyio


async def test_the_same_text_is_prepared_once() -> None:
    world = shop()

    assert world.prepare("{ me { name } }") is world.prepare("{ me { name } }")


async def test_operations_that_differ_in_literals_share_a_plan_and_not_their_values() -> None:
    world = shop()
    queries = [f'{{ product(id: "p{n}") {{ title costIn(currency: "{c}") }} }}' for n, c in ((1, "EUR"), (2, "USD"))]
    one, other = map(world.prepare, queries)

    assert one is not other
    assert one.compiled is other.compiled
    for query in queries:
        assert (await world.ask(query)).data == world.truth(query)


async def test_equal_literals_of_one_field_stay_one_field() -> None:
    world = shop()
    query = '{ products { costIn(currency: "EUR") } products { costIn(currency: "EUR") c: costIn(currency: "USD") } }'

    assert (await world.ask(query)).data == world.truth(query)


async def test_a_variable_named_like_a_lifted_literal_is_itself() -> None:
    world = shop()
    query = (
        'query($_l0: ID!, $_r0: String!) { product(id: $_l0) { a: costIn(currency: "X") b: costIn(currency: $_r0) } }'
    )
    variables = {"_l0": "p1", "_r0": "Y"}

    assert (await world.ask(query, variables)).data == world.truth(query, variables)


async def test_errors_in_a_document_tell_where() -> None:
    with pytest.raises(ParseFailed) as parse_failed:
        shop().prepare("{ me { ")
    with pytest.raises(ValidationFailed) as invalid:
        shop().prepare("{ me { nope } }")

    assert parse_failed.value.errors[0]["locations"] == [{"line": 1, "column": 8}]
    assert invalid.value.errors[0]["locations"] == [{"line": 1, "column": 8}]
    assert invalid.value.errors[0]["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}


async def test_an_operation_is_found_by_name_or_is_the_only_one() -> None:
    world = shop()
    text = "query A { me { name } } query B { users { name } }"

    assert world.graph.prepare(text, "B").name == "B"
    for name in (None, "C"):
        with pytest.raises(UnknownOperation):
            world.graph.prepare(text, name)


async def test_variables_of_the_wrong_type_are_refused_before_anything_is_sent() -> None:
    world = shop()
    query = "query($id: ID!) { product(id: $id) { title } }"

    for variables in ({}, {"id": None}, {"id": {"a": 1}}):
        with pytest.raises(BadVariables):
            await world.ask(query, variables)
    assert world.sent == []


async def test_operations_beyond_the_bound_leave_the_cache() -> None:
    world = shop()
    graph = Graph(world.graph.supergraph, cache_bytes=400_000)
    first = graph.prepare("{ me { name } }")
    for n in range(40):
        graph.prepare(f"{{ me {{ a{n}: name }} }}")

    assert graph.prepare("{ me { name } }") is not first
