"""@context and @fromContext: an argument is filled from the nearest object above that sets the context."""

from typing import Any

import pytest

from router.execution.defer import execute_in_pieces
from router.execution.run import execute
from tests.router.planning.world import Row, World
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


def price(seen: Any, arguments: dict[str, Any]) -> str:
    """Tell what the field was asked with."""
    return f"{seen['id']} in {arguments['currency']}{' ' + arguments['style'] if 'style' in arguments else ''}"


def shops() -> World:
    """Shops set a currency, which their goods' prices are told in; one article is in both shops."""
    pen: Row = {"__typename": "Article", "id": "pen", "price": price, "weight": 1, "maker": None}
    ink: Row = {"__typename": "Article", "id": "ink", "price": price, "weight": 2, "maker": None}
    shelf: Row = {"__typename": "Shelf", "id": "s", "articles": [pen, ink]}
    euro: Row = {"__typename": "Shop", "id": "e", "currency": "EUR", "best": pen, "articles": [pen, ink]}
    yuan: Row = {"__typename": "Shop", "id": "c", "currency": "CNY", "best": pen, "articles": [ink, pen]}
    none: Row = {"__typename": "Shop", "id": "n", "currency": None, "best": None, "articles": [ink]}
    for one, inner in ((euro, yuan), (yuan, none), (none, euro)):
        one.update(shelf=shelf, branch=inner, place={"__typename": "Place", "code": f"at {one['id']}"})
    return World(
        {
            "goods": """
                type Query { shop: Shop shops: [Shop] }
                type Shop @key(fields: "id") @context(name: "shop") {
                  id: ID! currency: String @external best: Article articles: [Article!] branch: Shop place: Place }
                type Place { code: String }
                type Article @key(fields: "id") {
                  id: ID! price(currency: String @fromContext(field: "$shop { currency }"), style: String): String
                }""",
            "money": 'type Shop @key(fields: "id") { id: ID! currency: String }',
            "shelves": """
                type Shop @key(fields: "id") { id: ID! shelf: Shelf }
                type Shelf @key(fields: "id") { id: ID! articles: [Article!] }
                type Article @key(fields: "id", resolvable: false) { id: ID! }""",
            "scales": 'type Article @key(fields: "id") { id: ID! weight: Int }',
        },
        {"Shop": [euro, yuan, none], "Article": [pen, ink], "Shelf": [shelf]},
        {"shop": euro, "shops": [euro, yuan, none]},
    )


async def test_an_argument_is_filled_from_another_subgraphs_field() -> None:
    world = shops()
    answer = await world.ask("{ shop { best { price(style: short) weight } } }".replace("short", '"short"'))

    assert answer.errors == []
    assert answer.data == {"shop": {"best": {"price": "pen in EUR short", "weight": 1}}}
    assert sorted(name for name, _ in world.sent) == ["goods", "goods", "money", "scales"]


async def test_each_shop_tells_the_same_article_in_its_own_currency() -> None:
    world = shops()
    answer = await world.ask("{ shops { articles { price } } }")

    assert answer.errors == []
    assert [[one["price"] for one in shop["articles"]] for shop in answer.data["shops"]] == [
        ["pen in EUR", "ink in EUR"],
        ["ink in CNY", "pen in CNY"],
        ["ink in None"],
    ]
    assert [name for name, _ in world.sent] == ["goods", "money", "goods"]
    last = world.sent[-1][1]
    assert sorted(str(value) for name, value in last["variables"].items() if name.startswith("_c")) == [
        "CNY", "EUR", "None",
    ]  # fmt: skip


async def test_an_entity_between_the_context_and_its_reader_is_not_shared() -> None:
    answer = await shops().ask("{ shops { shelf { articles { p: price } } } }")

    assert answer.errors == []
    told = [[one["p"] for one in shop["shelf"]["articles"]] for shop in answer.data["shops"]]
    assert told == [[f"{one} in {money}" for one in ("pen", "ink")] for money in ("EUR", "CNY", "None")]


async def test_the_nearest_object_counts() -> None:
    answer = await shops().ask("{ shop { best { price } branch { best { price } branch { articles { price } } } } }")

    assert answer.data == {
        "shop": {
            "best": {"price": "pen in EUR"},
            "branch": {"best": {"price": "pen in CNY"}, "branch": {"articles": [{"price": "ink in None"}]}},
        }
    }


async def test_one_fragment_under_two_objects_has_two_contexts() -> None:
    query = "{ shop { best { ...P } branch { best { ...P } } } } fragment P on Article { price }"
    answer = await shops().ask(query)

    assert answer.data["shop"]["best"] == {"price": "pen in EUR"}
    assert answer.data["shop"]["branch"]["best"] == {"price": "pen in CNY"}


async def test_what_a_context_reads_is_not_shown() -> None:
    answer = await shops().ask("{ shop { currency: id best { price } } }")

    assert answer.data == {"shop": {"currency": "e", "best": {"price": "pen in EUR"}}}


async def test_more_values_than_one_request_may_hold_go_in_several() -> None:
    world = shops()
    pen = world.rows["Article"][0]
    world.rows["Shop"][:] = [
        {"__typename": "Shop", "id": str(n), "currency": f"c{n}", "articles": [pen], "branch": None}
        for n in range(120)
    ]  # fmt: skip
    world.roots["shops"] = world.rows["Shop"]
    answer = await world.ask("{ shops { articles { price } } }")

    assert [name for name, _ in world.sent] == ["goods", "money", "goods", "goods", "goods"]
    assert [shop["articles"][0]["price"] for shop in answer.data["shops"]] == [f"pen in c{n}" for n in range(120)]


async def test_a_deferred_reader_comes_later() -> None:
    world = shops()
    prepared = world.prepare("{ shop { best { weight ... @defer { price } } } }")
    first, second = [one async for one in execute_in_pieces(prepared, None, world.send, PATIENCE_S)]

    assert first["data"] == {"shop": {"best": {"weight": 1}}}
    assert second["incremental"][0]["data"] == {"price": "pen in EUR"}


async def test_by_the_type_of_the_object_another_field_is_read() -> None:
    one: Row = {"__typename": "U", "id": "1", "f": lambda s, a: f"{s['id']}{a['x']}{a['y']}"}
    rows: list[Row] = [
        {"__typename": "A", "id": "a", "name": "A", "deep": {"__typename": "D", "code": "d"}, "u": one},
        {"__typename": "B", "id": "b", "title": "B", "ref": "b", "u": one},
    ]
    world = World(
        {
            "a": """
                type Query { all: [N] some: [S] }
                interface N { u: U }
                type A implements N @key(fields: "id") @context(name: "c") @context(name: "d") {
                  id: ID! name: String deep: D u: U }
                type B implements N @key(fields: "id") @context(name: "c") @context(name: "d") {
                  id: ID! title: String ref: String u: U }
                type D { code: String }
                union S = A | B
                type U @key(fields: "id") { id: ID! f(
                  x: String @fromContext(field: "$c ... on A { name } ... on B { title }")
                  y: String @fromContext(field: "$d ... on A { deep { code } } ... on B { ref }")
                ): String }""",
        },
        {"A": rows[:1], "B": rows[1:], "U": [one]},
        {"all": rows, "some": rows},
    )
    answer = await world.ask("{ all { u { f } } some { ... on A { u { f } } ... on B { u { g: f } } } }")

    assert answer.errors == []
    assert answer.data == {
        "all": [{"u": {"f": "1Ad"}}, {"u": {"f": "1Bb"}}],
        "some": [{"u": {"f": "1Ad"}}, {"u": {"g": "1Bb"}}],
    }


async def test_the_client_may_use_any_name_for_variables() -> None:
    world = shops()
    query = "query($_c0: String, $_r0: Boolean!) { shop { best @include(if: $_r0) { price(style: $_c0) } } }"
    answer = await world.ask(query, {"_c0": "fine", "_r0": True})

    assert answer.data == {"shop": {"best": {"price": "pen in EUR fine"}}}


async def test_a_value_that_failed_is_asked_for_with_nothing_else_lost() -> None:
    world = shops()

    async def send(subgraph: str, body: bytes, seconds: float) -> bytes:
        if subgraph == "money":
            return b'{"data": null, "errors": [{"message": "no money"}]}'
        return await world.send(subgraph, body, seconds)

    answer = await execute(world.prepare("{ shop { id best { price } } }"), None, send, PATIENCE_S)

    assert answer.data == {"shop": {"id": "e", "best": {"price": "pen in None"}}}
    assert [one["message"] for one in answer.errors] == ["no money"]
