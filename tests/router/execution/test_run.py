"""What an execution leaves behind."""

import asyncio
import gc

import pytest

from router.execution.run import execute
from tests.router.planning.test_features import shop

pytestmark = pytest.mark.anyio


async def test_an_execution_leaves_no_reference_cycle() -> None:
    """Else the collector has to walk whole answers: cycles cost p99 a factor of ten (performance.md)."""
    world, kept = shop(), dict[bytes, bytes]()
    prepared = world.prepare(
        "{ me { name reviews { product { title stock { count } } } } products { title shipping } }"
    )

    async def send(subgraph: str, body: bytes, seconds: float) -> bytes:
        await asyncio.sleep(0)
        if body not in kept:
            kept[body] = await world.send(subgraph, body, seconds)
        return kept[body]

    answer = await execute(prepared, None, send, 5.0)
    assert answer.fetches > 3
    gc.collect()
    gc.disable()
    try:
        await execute(prepared, None, send, 5.0)

        assert gc.collect() == 0
    finally:
        gc.enable()
