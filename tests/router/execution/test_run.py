"""What an execution leaves behind."""

import asyncio
import gc

import pytest

from router.execution.run import execute
from tests.router.planning.test_features import shop
from tests.waiting import PATIENCE_S

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

    answer = await execute(prepared, None, send, PATIENCE_S)
    assert answer.fetches > 3
    gc.disable()
    try:
        for _ in range(10):  # what else runs in this process, modules of other tests perhaps, leaves some now and then
            gc.collect()
            await execute(prepared, None, send, PATIENCE_S)
            if (left := gc.collect()) == 0:
                break
    finally:
        gc.enable()
    assert left == 0
