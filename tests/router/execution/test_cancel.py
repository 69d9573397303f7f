"""A client that goes away: what only reads is cancelled, what was begun to be written is not."""

import asyncio

import anyio
import pytest

from router.execution.run import execute
from tests.router.planning.test_corners import counters
from tests.router.planning.test_features import shop
from tests.router.planning.world import World
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


async def cancelled(world: World, query: str, count: int) -> list[str]:
    """Cancel a request while its `count` subgraphs are at work; return what the subgraphs lived to say."""
    said: list[str] = []
    started, finish, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def say(text: str) -> None:
        said.append(text)
        if len(said) == count:
            over.set()

    async def send(subgraph: str, body: bytes, seconds: float) -> bytes:
        started.set()
        try:
            await finish.wait()
        except asyncio.CancelledError:
            say(f"{subgraph} cancelled")
            raise
        say(f"{subgraph} done")
        return await world.send(subgraph, body, seconds)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(execute, world.prepare(query), None, send, PATIENCE_S)
        await started.wait()
        tasks.cancel_scope.cancel()
    finish.set()
    with anyio.fail_after(PATIENCE_S):
        await over.wait()
    return said


async def test_a_querys_fetches_are_cancelled() -> None:
    assert sorted(await cancelled(shop(), "{ me { name } products { title } }", 2)) == [
        "products cancelled",
        "users cancelled",
    ]


async def test_a_mutation_that_was_sent_is_finished() -> None:
    assert await cancelled(counters(), "mutation { add(by: 1) double { value } }", 1) == ["a done"]
