"""Errors: at the client's places, once each, the rest of the answer intact."""

from typing import Any

import anyio
import orjson
import pytest

from router.errors import DeadlineExceeded, ModuleUnavailable
from router.execution.run import Answer, execute
from tests.router.planning.test_features import shop
from tests.router.planning.world import World
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


async def ask(world: World, query: str, answers: dict[str, Any]) -> Answer:
    """Ask, with the answers of some subgraphs replaced: bytes as they are, anything else as JSON."""

    async def send(subgraph: str, body: bytes, seconds: float) -> bytes:
        if subgraph not in answers:
            return await world.send(subgraph, body, seconds)
        given = answers[subgraph]
        world.sent.append((subgraph, orjson.loads(body)))
        if callable(given):
            given = given(orjson.loads(body))
        return given if isinstance(given, bytes) else orjson.dumps(given)

    world.sent.clear()
    return await execute(world.prepare(query), None, send, PATIENCE_S)


async def test_a_module_that_is_down_is_one_error_where_its_part_belongs() -> None:
    world = shop()
    world.down["reviews"] = ModuleUnavailable("reviews", retry_after_ms=100)
    answer = await world.ask("{ me { name reviews: reviews { text author { email } } } }")

    assert answer.data == {"me": None}  # reviews is non-null
    assert answer.errors == [
        {
            "message": "reviews does not answer at the moment.",
            "path": ["me", "reviews"],
            "extensions": {
                "code": "MODULE_UNAVAILABLE",
                "module": "reviews",
                "retryAfterMs": 100,
                "skipped": [{"module": "users", "path": ["me", "reviews"]}],  # whoever wrote them
            },
        }
    ]


async def test_a_failed_root_field_leaves_the_others() -> None:
    world = shop()
    world.down["users"] = ModuleUnavailable("users")
    answer = await world.ask("{ person: me { name } products { title } }")

    assert answer.data == {"person": None, "products": [{"title": "Table"}, {"title": "Chair"}]}
    assert [one["path"] for one in answer.errors] == [["person"]]


async def test_in_a_list_a_failed_fetch_is_one_error_before_the_first_index() -> None:
    world = shop()
    world.down["stock"] = ModuleUnavailable("stock")
    answer = await world.ask("{ products { title stock { count } } }")

    assert answer.data == {"products": [{"title": "Table", "stock": None}, {"title": "Chair", "stock": None}]}
    assert [one["path"] for one in answer.errors] == [["products"]]


async def test_what_depends_on_a_failed_fetch_is_not_asked_and_listed_in_its_error() -> None:
    world = shop()
    world.down["products"] = ModuleUnavailable("products")
    answer = await world.ask("{ me { reviews { product { shipping } } } }")

    assert [name for name, _ in world.sent] == ["users", "reviews", "products"]
    assert [one["extensions"].get("skipped") for one in answer.errors] == [
        [{"module": "stock", "path": ["me", "reviews"]}]
    ]


async def test_what_is_skipped_at_second_hand_is_listed_too() -> None:
    world = shop()
    world.down["reviews"] = ModuleUnavailable("reviews")
    answer = await world.ask("{ me { name reviews { product { shipping } } } }")

    assert [name for name, _ in world.sent] == ["users", "reviews"]
    assert [one["module"] for one in answer.errors[0]["extensions"]["skipped"]] == ["products", "stock"]


async def test_an_error_that_leaves_nobody_without_input_lists_nothing() -> None:
    world = shop()
    world.down["reviews"] = ModuleUnavailable("reviews")
    answer = await world.ask("{ me { name reviews { text } } products { title stock { count } } }")

    assert ["skipped" in one["extensions"] for one in answer.errors] == [False]


async def test_entity_errors_are_at_every_place_of_the_entity() -> None:
    world = shop()
    world.roots["users"] = [world.rows["User"][0]] * 2
    broken = {
        "data": {"_entities": [None]},
        "errors": [{"message": "no", "path": ["_entities", 0, "r"], "extensions": {"code": "X", "stack": "s"}}],
    }
    answer = await ask(world, "{ users { r: reviews { text } } }", {"reviews": broken})

    assert [one["path"] for one in answer.errors] == [["users", 0, "r"], ["users", 1, "r"]]
    assert {one["extensions"]["code"] for one in answer.errors} == {"X"}
    assert answer.data is None


async def test_a_null_entity_is_null_without_an_error_where_it_may_be() -> None:
    answer = await ask(
        shop(), "{ products { title stock { count } } }", {"stock": {"data": {"_entities": [None, None]}}}
    )

    assert answer.errors == []
    assert answer.data == {"products": [{"title": "Table", "stock": None}, {"title": "Chair", "stock": None}]}


async def test_a_null_where_none_may_be_is_one_error_and_goes_up() -> None:
    broken = {"data": {"_entities": [{"reviews": None}, {"reviews": []}]}}
    answer = await ask(shop(), "{ me { name } users { reviews { text } } }", {"reviews": broken})

    assert answer.data is None
    assert [one["path"] for one in answer.errors] == [["users", 0, "reviews"]]


async def test_a_field_that_fell_with_another_one_has_no_error_of_its_own() -> None:
    """Of several commands one met a database that was away: the first was said to be INTERNAL, a defect of ours"""
    error = {"message": "down", "path": ["second"], "extensions": {"code": "MODULE_UNAVAILABLE"}}
    down = {"data": None, "errors": [error]}

    answer = await ask(shop(), "{ first: users { name } second: users { name } }", {"users": down})

    assert answer.data is None
    assert [one["extensions"]["code"] for one in answer.errors] == ["MODULE_UNAVAILABLE"]


async def test_a_forbidden_null_beside_a_field_with_an_error_is_an_error_too() -> None:
    error = {"message": "down", "path": ["me"]}
    broken = {"data": {"me": None, "users": None}, "errors": [error]}

    answer = await ask(shop(), "{ me { name } users { name } }", {"users": broken})

    assert answer.data is None
    assert [one["path"] for one in answer.errors] == [["me"], ["users"]]


@pytest.mark.parametrize(
    "garbage",
    [
        b"<html>busy</html>",
        b"",
        b'{"data": {"_ent',
        b"[]",
        b"null",
        b"3",
        {},
        {"data": None},
        {"data": {"_entities": None}},
        {"data": {"_entities": [1]}},
        {"data": {"_entities": [{"stock": {"count": 1}}]}},
        {"data": {"_entities": "xx"}},
        {"data": []},
        {"errors": "what"},
        {"errors": True},
        {"data": {}, "errors": 1},
        {"errors": [1, None, {"message": 3, "path": "x"}, {"path": ["_entities", 99, "a"]}, {"path": [1, 2, 3]}]},
    ],
)
async def test_garbage_from_one_subgraph_leaves_the_rest(garbage: Any) -> None:
    answer = await ask(shop(), "{ me { name } products { title stock { count } } }", {"stock": garbage})

    assert answer.data["me"] == {"name": "Ada"}
    assert [one["title"] for one in answer.data["products"]] == ["Table", "Chair"]
    assert answer.errors
    assert orjson.loads(answer.body())["errors"]
    assert all(one["path"] and "http" not in one["message"] for one in answer.errors)


@pytest.mark.parametrize("value", [{"a": 1}, [[1]], "x", 3, [{"reviews": "x"}], [None]])
async def test_values_of_the_wrong_shape_are_errors_not_tracebacks(value: Any) -> None:
    answer = await ask(shop(), "{ users { name reviews { text } } me { name } }", {"users": {"data": {"users": value}}})

    assert answer.errors
    assert orjson.loads(answer.body())


async def test_a_required_field_that_failed_with_an_error_is_not_sent() -> None:
    world = shop()

    def products(request: dict[str, Any]) -> dict[str, Any]:
        names = {part.split(": ")[-1]: part.split(": ")[0] for part in _aliases(request["query"])}
        row = {"sku": {"code": "T", "lot": 1}, "weight": None, "price": 1}
        data = {names.get(name, name): value for name, value in row.items()}
        error = {"message": "scale", "path": ["products", 0, names.get("weight", "weight")]}
        return {"data": {"products": [data]}, "errors": [error]}

    answer = await ask(world, "{ products { shipping } }", {"products": products})

    assert [name for name, _ in world.sent] == ["products"]
    assert answer.data == {"products": [{"shipping": None}]}
    assert [one["message"] for one in answer.errors] == ["scale"]
    assert answer.errors[0]["path"] == ["products", 0]


def _aliases(query: str) -> list[str]:
    words = query.replace("{", " ").replace("}", " ").split()
    return [f"{words[i]} {words[i + 1]}" for i in range(len(words) - 1) if words[i].endswith(":")]


async def test_at_the_deadline_the_answer_is_partial() -> None:
    world = shop()
    world.down["stock"] = DeadlineExceeded("stock")
    answer = await world.ask("{ products { title stock { count } } }")

    assert answer.errors[0]["extensions"]["code"] == "DEADLINE"
    assert answer.data["products"][0]["title"] == "Table"


async def test_a_slow_subgraph_is_cut_off_at_the_deadline() -> None:
    world = shop()

    async def send(subgraph: str, body: bytes, seconds: float) -> bytes:
        if subgraph == "stock":
            await anyio.sleep(60)
        return await world.send(subgraph, body, seconds)

    prepared = world.prepare("{ products { title stock { count } } }")
    for seconds in (0.05, 0.5, 5.0):  # on a busy machine the others are late too, now and then
        answer = await execute(prepared, None, send, seconds)
        if answer.data["products"]:
            break

    assert [one["extensions"]["code"] for one in answer.errors] == ["DEADLINE"]
    assert answer.data["products"][0] == {"title": "Table", "stock": None}


async def test_more_than_a_thousand_entities_go_in_chunks() -> None:
    world = shop()
    rows = [{"__typename": "User", "id": f"n{n}", "reviews": [], "name": str(n)} for n in range(2500)]
    world.rows["User"][:] = rows
    world.roots["users"] = rows

    def reviews(request: dict[str, Any]) -> dict[str, Any]:
        (given,) = request["variables"].values()
        return {"data": {"_entities": [{"reviews": [{"text": one["id"]}]} for one in given]}}

    answer = await ask(world, "{ users { reviews { text } } }", {"reviews": reviews})

    assert [name for name, _ in world.sent] == ["users", "reviews", "reviews", "reviews"]
    assert answer.data["users"][2400] == {"reviews": [{"text": "n2400"}]}


async def test_a_scalar_that_another_module_gave_otherwise_is_passed_over_and_counted() -> None:
    """router.md, E3: data that disagrees; two equal ones, and one that is null, do not"""

    world = shop()
    told = {"me": {"name": "Bob"}, "products": [{"title": "Table"}, {"title": "Chair"}]}
    answer = await ask(
        world, "{ me { name } products { title } }", {"users": {"data": told}, "products": {"data": told}}
    )
    assert answer.conflicts == {}

    first = {"me": {"name": "Bob"}, "products": [{"title": "Desk"}, {"title": None}]}
    answer = await ask(
        world, "{ me { name } products { title } }", {"users": {"data": first}, "products": {"data": told}}
    )
    assert sum(answer.conflicts.values()) == 1
