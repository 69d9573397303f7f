"""Answers in pieces: what is deferred comes later, whole, and once."""

import asyncio
from typing import Any

import pytest

from router.errors import ModuleUnavailable
from router.execution.defer import execute_in_pieces
from tests.router.planning.world import World
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


def shop() -> World:
    """People with slow scores elsewhere, and friends."""
    bob: dict[str, Any] = {"__typename": "Person", "id": "2", "name": "Bob", "score": 7, "rank": None, "friends": []}
    ada: dict[str, Any] = {"__typename": "Person", "id": "1", "name": "Ada", "score": 9, "rank": 1, "friends": [bob]}
    return World(
        {
            "people": """type Query { me: Person all: [Person!]! none: Person }
                type Person @key(fields: "id") { id: ID! name: String friends: [Person!]! }""",
            "scores": 'type Person @key(fields: "id") { id: ID! score: Int rank: Int! }',
        },
        {"Person": [ada, bob]},
        {"me": ada, "all": [ada, bob], "none": None},
    )


async def pieces(world: World, query: str, variables: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    prepared = world.prepare(query, variables)
    return [one async for one in execute_in_pieces(prepared, variables, world.send, PATIENCE_S)]


async def test_the_first_piece_is_there_before_what_is_deferred() -> None:
    assert await pieces(shop(), '{ me { name ... @defer(label: "s") { score } } }') == [
        {"data": {"me": {"name": "Ada"}}, "pending": [{"id": "0", "path": ["me"], "label": "s"}], "hasNext": True},
        {"incremental": [{"id": "0", "data": {"score": 9}}], "completed": [{"id": "0"}], "hasNext": False},
    ]


async def test_each_item_of_a_list_has_its_own_piece() -> None:
    first, second = await pieces(shop(), "{ all { id ...Rest @defer } } fragment Rest on Person { score }")

    assert [one["path"] for one in first["pending"]] == [["all", 0], ["all", 1]]
    assert [one["data"] for one in second["incremental"]] == [{"score": 9}, {"score": 7}]


async def test_a_fragment_that_needs_no_fetch_of_its_own_is_not_deferred() -> None:
    assert await pieces(shop(), "{ me { id ... @defer { name } } }") == [{"data": {"me": {"id": "1", "name": "Ada"}}}]


async def test_a_fetch_that_others_need_at_once_is_not_deferred() -> None:
    [only] = await pieces(shop(), "{ me { score ... @defer { rank } } }")
    assert only["data"] == {"me": {"score": 9, "rank": 1}}


@pytest.mark.parametrize(("on", "count"), [(True, 2), (False, 1)])
async def test_a_variable_switches_it(on: bool, count: int) -> None:
    query = "query($d: Boolean!) { me { id ... @defer(if: $d) { score } } }"
    assert len(await pieces(shop(), query, {"d": on})) == count


async def test_a_deferred_field_inside_an_object_that_is_shown_has_a_sub_path() -> None:
    first, second = await pieces(shop(), "{ me { id } ... @defer { me { score } } }")

    assert first["pending"] == [{"id": "0", "path": []}]
    assert second["incremental"] == [{"id": "0", "subPath": ["me"], "data": {"score": 9}}]


async def test_one_inside_the_other_comes_after_it() -> None:
    query = "{ me { id ... @defer { score friends { name ... @defer { score } } } } }"
    told = await pieces(shop(), query)

    done = [one["id"] for piece in told for one in piece.get("completed", ())]
    announced = [one["id"] for piece in told for one in piece.get("pending", ())]
    assert announced == done
    assert told[-1]["hasNext"] is False


async def test_a_null_that_may_not_be_takes_only_its_fragment() -> None:
    first, second = await pieces(shop(), "{ all { name ... @defer { rank } } }")

    assert first["data"] == {"all": [{"name": "Ada"}, {"name": "Bob"}]}
    assert [one["data"] for one in second["incremental"]] == [{"rank": 1}]
    assert second["completed"][1]["errors"][0]["path"] == ["all", 1, "rank"]


async def test_a_module_that_is_down_is_an_error_of_the_piece() -> None:
    world = shop()
    world.down["scores"] = ModuleUnavailable("scores")
    first, second = await pieces(world, "{ me { name ... @defer { score } } }")

    assert "errors" not in first
    assert second["incremental"][0]["data"] == {"score": None}
    assert second["incremental"][0]["errors"][0]["extensions"]["code"] == "MODULE_UNAVAILABLE"


async def test_nothing_is_pending_where_there_is_no_object() -> None:
    assert await pieces(shop(), "{ none { id ... @defer { score } } }") == [{"data": {"none": None}}]


async def test_put_together_the_pieces_are_the_whole_answer() -> None:
    query = "{ me { id ... @defer { score friends { id ... @defer { rank: score } } } } all { ... @defer { score } } }"
    world = shop()
    first, *rest = await pieces(world, query)

    paths = {one["id"]: one["path"] for piece in (first, *rest) for one in piece.get("pending", ())}
    for piece in rest:
        for one in piece.get("incremental", ()):
            at = first["data"]
            for key in (*paths[one["id"]], *one.get("subPath", ())):
                at = at[key]
            at.update(one["data"])
    assert first["data"] == world.truth(query.replace("@defer", ""))


async def test_pieces_stop_when_nobody_reads_on() -> None:
    world = shop()
    waiting = asyncio.Event()

    async def send(subgraph: str, body: bytes, seconds: float) -> bytes:
        if subgraph == "scores":
            waiting.set()
            await asyncio.sleep(60)
        return await world.send(subgraph, body, seconds)

    prepared = world.prepare("{ me { name ... @defer { score } } }")
    told = execute_in_pieces(prepared, None, send, PATIENCE_S)
    await anext(told)
    await waiting.wait()
    await told.aclose()
