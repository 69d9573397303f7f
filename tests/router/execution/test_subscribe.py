"""Subscriptions: the root's stream comes from its subgraph, the rest is fetched per event."""

import orjson
import pytest

from router.execution.run import react, subscription_request
from tests.router.planning.world import World
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


def tickets() -> World:
    one = {"__typename": "Ticket", "id": "1", "title": "Broken", "likes": 3}
    return World(
        {
            "desk": """type Query { q: Int } type Subscription { changed(min: Int): Ticket }
                type Ticket @key(fields: "id") { id: ID! title: String }""",
            "likes": 'type Ticket @key(fields: "id") { id: ID! likes: Int }',
        },
        {"Ticket": [one]},
        {"q": 1},
    )


async def test_each_event_is_completed_from_other_subgraphs() -> None:
    world = tickets()
    prepared = world.prepare("subscription { t: changed(min: 2) { title likes } }")
    subgraph, body = subscription_request(prepared, None)

    assert prepared.operation == "subscription"
    assert subgraph == "desk"
    request = orjson.loads(body)
    assert request["query"].startswith("subscription($_l0:Int){t: changed(min: $_l0){title")
    assert request["variables"] == {"_l0": 2}

    event = orjson.dumps({"data": {"t": {"title": "Broken", "_k2": "1", "_k1": "1", "id": "1"}}})
    answer = await react(prepared, None, event, world.send, deadline_s=PATIENCE_S)

    assert answer.errors == []
    assert answer.data == {"t": {"title": "Broken", "likes": 3}}
    assert [name for name, _ in world.sent] == ["likes"]


async def test_an_event_that_is_garbage_is_an_error() -> None:
    world = tickets()
    prepared = world.prepare("subscription { changed { title likes } }")
    answer = await react(prepared, None, b"<html>", world.send, deadline_s=PATIENCE_S)

    assert answer.data == {"changed": None}
    assert [one["path"] for one in answer.errors] == [["changed"]]
