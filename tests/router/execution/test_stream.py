"""Lists in pieces: some items come at once, the others with the fetches they need."""

from typing import Any

import pytest

from router.errors import BadVariables, ModuleUnavailable
from router.execution.defer import execute_in_pieces
from tests.router.execution.test_defer import pieces
from tests.router.planning.world import World
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


def shop(count: int = 5) -> World:
    """People with scores elsewhere; each has friends; number 3 has no rank, which may not be."""
    people: list[dict[str, Any]] = [
        {"__typename": "Person", "id": str(n), "name": f"N{n}", "score": n * 10, "rank": None if n == 3 else n}
        for n in range(count)
    ]
    for one in people:
        one["friends"] = people[:3]
        one["tags"] = ["a", "b", "c"]
    club = {
        "__typename": "Club",
        "id": "c",
        "members": people,
        "worth": lambda s, a: sum(len(m["name"]) for m in s["members"]),
    }
    return World(
        {
            "people": """type Query { all: [Person!]! some: [Person] club: Club clubs: [Club] }
                type Club @key(fields: "id") { id: ID! members: [Person!]! }
                type Person @key(fields: "id") { id: ID! name: String friends: [Person!]! tags: [String] }""",
            "scores": """type Person @key(fields: "id") { id: ID! score: Int rank: Int! name: String @external }
                type Club @key(fields: "id") {
                  id: ID! members: [Person!]! @external worth: Int @requires(fields: "members { name }") }""",
        },
        {"Person": people, "Club": [club]},
        {"all": people, "some": people, "club": club, "clubs": [club, club]},
    )


async def test_the_first_items_come_at_once_the_others_with_their_fetches() -> None:
    world = shop()
    world.sent.clear()
    first, second = await pieces(world, '{ all @stream(initialCount: 2, label: "l") { name score } }')

    assert first == {
        "data": {"all": [{"name": "N0", "score": 0}, {"name": "N1", "score": 10}]},
        "pending": [{"id": "0", "path": ["all"], "label": "l"}],
        "hasNext": True,
    }
    assert second == {
        "incremental": [{"id": "0", "items": [{"name": f"N{n}", "score": n * 10} for n in (2, 3, 4)]}],
        "completed": [{"id": "0"}],
        "hasNext": False,
    }
    asked = [len(request["variables"]["_r0"]) for name, request in world.sent if name == "scores"]
    assert asked == [2, 3]


async def test_a_long_list_comes_in_several_pieces() -> None:
    told = await pieces(shop(350), "{ all @stream(initialCount: 7) { score } }")

    assert [len(one["incremental"][0]["items"]) for one in told[1:]] == [100, 100, 100, 43]
    assert [one["hasNext"] for one in told] == [True, True, True, True, False]


async def test_a_list_that_is_not_longer_is_whole_at_once() -> None:
    assert await pieces(shop(), "{ all @stream(initialCount: 5) { id } }") == [
        {"data": {"all": [{"id": str(n)} for n in range(5)]}}
    ]


async def test_leaves_are_streamed_too() -> None:
    first, second = await pieces(shop(1), "{ all { tags @stream(initialCount: 1) } }")

    assert first["data"] == {"all": [{"tags": ["a"]}]}
    assert second["incremental"] == [{"id": "0", "items": ["b", "c"]}]


async def test_each_list_of_a_list_is_one_of_its_own() -> None:
    first, second = await pieces(shop(2), "{ all { friends @stream { score } } }")

    assert first["data"] == {"all": [{"friends": []}, {"friends": []}]}
    assert [one["path"] for one in first["pending"]] == [["all", 0, "friends"], ["all", 1, "friends"]]
    assert [one["items"] for one in second["incremental"]] == [[{"score": 0}, {"score": 10}]] * 2


async def test_the_same_entity_twice_is_told_twice() -> None:
    first, second = await pieces(shop(), "{ clubs { members @stream(initialCount: 4) { id } } }")

    assert [one["path"] for one in first["pending"]] == [["clubs", 0, "members"], ["clubs", 1, "members"]]
    assert [one["items"] for one in second["incremental"]] == [[{"id": "4"}]] * 2


@pytest.mark.parametrize(("on", "count"), [(True, 2), (False, 1)])
async def test_variables_switch_and_count(on: bool, count: int) -> None:
    query = "query($s: Boolean!, $n: Int = 4) { all @stream(if: $s, initialCount: $n) { id } }"
    told = await pieces(shop(), query, {"s": on})

    assert len(told) == count
    assert len((await pieces(shop(), query, {"s": True, "n": 1}))[0]["data"]["all"]) == 1


async def test_a_negative_count_is_refused() -> None:
    world = shop()
    prepared = world.prepare("query($n: Int!) { all @stream(initialCount: $n) { id } }")
    with pytest.raises(BadVariables):
        await anext(execute_in_pieces(prepared, {"n": -1}, world.send, PATIENCE_S))


async def test_a_null_that_may_not_be_ends_the_list_with_its_error() -> None:
    first, second = await pieces(shop(), "{ all @stream(initialCount: 1) { rank } club { id } }")

    assert first["data"] == {"all": [{"rank": 0}], "club": {"id": "c"}}
    assert "incremental" not in second
    assert [one["path"] for one in second["completed"][0]["errors"]] == [["all", 3, "rank"]]


async def test_where_an_item_may_be_null_only_the_item_is() -> None:
    _, second = await pieces(shop(), "{ some @stream(initialCount: 2) { rank } }")

    assert second["incremental"][0]["items"] == [{"rank": 2}, None, {"rank": 4}]
    assert [one["path"] for one in second["incremental"][0]["errors"]] == [["some", 3, "rank"]]


async def test_an_error_of_a_later_item_comes_with_it() -> None:
    world = shop()

    async def send(subgraph: str, body: bytes, seconds: float) -> bytes:
        data = b'[{"id": "0", "name": null}, {"id": "1", "name": null}]'
        errors = b'[{"message": "no", "path": ["all", 1, "name"]}]'
        return b'{"data": {"all": ' + data + b'}, "errors": ' + errors + b"}"

    prepared = world.prepare("{ all @stream(initialCount: 1) { id name } }")
    first, second = [one async for one in execute_in_pieces(prepared, None, send, PATIENCE_S)]

    assert "errors" not in first
    assert [one["path"] for one in second["incremental"][0]["errors"]] == [["all", 1, "name"]]


async def test_a_module_that_is_down_is_one_error_of_the_first_piece() -> None:
    world = shop()
    world.down["scores"] = ModuleUnavailable("scores")
    first, second = await pieces(world, "{ some @stream(initialCount: 1) { id score } }")

    assert [one["extensions"]["code"] for one in first["errors"]] == ["MODULE_UNAVAILABLE"]
    assert second["incremental"][0]["items"][0] == {"id": "1", "score": None}


async def test_a_list_that_another_fetch_reads_whole_is_not_parted() -> None:
    world = shop()
    told = await pieces(world, "{ club { worth members @stream(initialCount: 1) { name score } } }")

    assert len(told) == 1
    assert told[0]["data"] == world.truth("{ club { worth members { name score } } }")


async def test_with_defer_put_together_it_is_the_whole_answer() -> None:
    query = "{ all @stream(initialCount: 2) { name ... @defer { score } } club { id ... @defer { worth } } }"
    world = shop()
    first, *rest = await pieces(world, query)

    paths = {one["id"]: one["path"] for piece in (first, *rest) for one in piece.get("pending", ())}
    done = [one["id"] for piece in rest for one in piece.get("completed", ())]
    for piece in rest:
        for one in piece.get("incremental", ()):
            at: Any = first["data"]
            for key in (*paths[one["id"]], *one.get("subPath", ())):
                at = at[key]
            if "items" in one:
                at.extend(one["items"])
            else:
                at.update(one["data"])
    plain = "{ all { name score } club { id worth } }"
    assert first["data"] == world.truth(plain)
    assert sorted(done) == sorted(paths)
    assert rest[-1]["hasNext"] is False


async def test_who_does_not_ask_for_pieces_gets_the_whole() -> None:
    answer = await shop().ask("{ all @stream(initialCount: 1) { id score } }")

    assert len(answer.data["all"]) == 5
