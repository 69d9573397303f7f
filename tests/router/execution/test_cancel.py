"""A client that goes away: what only reads is cancelled, what was begun to be written is not."""

import asyncio

import anyio
import pytest

from router.execution.run import execute
from tests.router.planning.test_corners import counters
from tests.router.planning.test_features import shop
from tests.router.planning.world import World

pytestmark = pytest.mark.anyio


async def cancelled(world: World, query: str) -> list[str]:
    """Cancel a request while its subgraphs are at work; return what the subgraphs lived to say."""
    said: list[str] = []
    started = asyncio.Event()

    async def send(subgraph: str, body: bytes, seconds: float) -> bytes:
        started.set()
        try:
            await anyio.sleep(0.02)
        except asyncio.CancelledError:
            said.append(f"{subgraph} cancelled")
            raise
        said.append(f"{subgraph} done")
        return await world.send(subgraph, body, seconds)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(execute, world.prepare(query), None, send, 5.0)
        await started.wait()
        tasks.cancel_scope.cancel()
    await anyio.sleep(0.05)
    return said


async def test_a_querys_fetches_are_cancelled() -> None:
    assert sorted(await cancelled(shop(), "{ me { name } products { title } }")) == [
        "products cancelled",
        "users cancelled",
    ]


async def test_a_mutation_that_was_sent_is_finished() -> None:
    assert await cancelled(counters(), "mutation { add(by: 1) double { value } }") == ["a done"]
