"""Fetches of one subgraph that are ready at about the same time share a request, and none waits long."""

import asyncio

import pytest

from router.execution.run import execute
from tests.router.planning.world import Row, World

pytestmark = pytest.mark.anyio


def world() -> World:
    """Two subgraphs give users, a third their names."""
    one: Row = {"__typename": "User", "id": "1", "name": "Ada"}
    two: Row = {"__typename": "User", "id": "2", "name": "Bob"}
    user = 'type User @key(fields: "id") {{ id: ID! }} type Query {{ {}: User }}'
    return World(
        {"a": user.format("inA"), "b": user.format("inB"), "names": 'type User @key(fields: "id") { id: ID! name: String }'},
        {"User": [one, two]},
        {"inA": one, "inB": two},
    )  # fmt: skip


async def ask(made: World, seconds: dict[str, float], after: dict[str, str] | None = None) -> list[str]:
    """Ask with subgraphs that take so long, and those in `after` as long as another; return who was asked."""
    made.sent.clear()
    answered: dict[str, asyncio.Event] = {name: asyncio.Event() for name in made.subgraphs}

    async def send(subgraph: str, body: bytes, left: float) -> bytes:
        if after and subgraph in after:
            await answered[after[subgraph]].wait()
        await asyncio.sleep(seconds.get(subgraph, 0))
        answered[subgraph].set()
        return await made.send(subgraph, body, left)

    answer = await execute(made.prepare("{ inA { name } inB { name } }"), None, send, 60)
    assert answer.data == {"inA": {"name": "Ada"}, "inB": {"name": "Bob"}}
    return [name for name, _ in made.sent]


async def test_a_fetch_waits_a_moment_for_another_that_shares_its_request() -> None:
    assert await ask(world(), {"a": 0.3}, after={"b": "a"}) == ["a", "b", "names"]


async def test_it_does_not_wait_for_a_slow_one() -> None:
    assert await ask(world(), {"a": 0.01, "b": 2}) == ["a", "names", "b", "names"]


async def test_what_is_there_at_once_waits_for_nothing() -> None:
    assert sorted(await ask(world(), {"b": 1})) == ["a", "b", "names", "names"]
