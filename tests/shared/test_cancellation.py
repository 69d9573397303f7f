"""A loop around nats-py's fetch ends when it is told to, also where the fetch lost the cancellation."""

import asyncio

import pytest

from shared.wire.jetstream import stop_if_cancelled

pytestmark = pytest.mark.anyio


async def test_a_lost_cancellation_is_seen_before_the_next_round() -> None:
    message: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    rounds = 0

    async def pull() -> None:
        nonlocal rounds
        while True:
            stop_if_cancelled()
            rounds += 1
            try:
                await message
            except asyncio.CancelledError:  # as wait_for of Python 3.11 does when its future is done, too
                continue

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        pulling = tasks.create_task(pull())
        await asyncio.sleep(0)
        pulling.cancel()

    assert pulling.cancelled()
    assert rounds == 1
