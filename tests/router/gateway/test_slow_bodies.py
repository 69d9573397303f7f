"""Who sends a body byte by byte takes nobody's place: neither without a token, nor as one of many companies (threats 21, 30)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.router.gateway.test_heads import code_of
from tests.router.gateway.world import OTHER_TENANT, World, world
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def slow(made: World, path: str, count: int) -> AsyncIterator[bytes]:
    """Hold requests whose bodies have begun and go on no further; yield how the one too many is refused."""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n"
    head += f"authorization: Bearer {made.token()}\r\n\r\n{{"
    opened = [await asyncio.open_connection(*made.url.removeprefix("http://").split(":")) for _ in range(count)]
    for _, writer in opened:
        writer.write(head.encode())
    answers = [asyncio.ensure_future(reader.read(1000)) for reader, _ in opened]
    try:
        done, _ = await asyncio.wait(answers, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        yield done.pop().result()
    finally:
        for answer in answers:
            answer.cancel()
        await asyncio.wait(answers)
        for _, writer in opened:
            writer.close()


@pytest.mark.parametrize("path", ["/auth/login", "/graphql"])
async def test_slow_bodies_keep_nobody_out(tmp_path: Path, path: str) -> None:
    async with world(tmp_path, requests_in_hand=4, awaited_of_place=8) as made:
        await made.start()
        async with slow(made, path, 9) as refused:
            others = [await made.graphql("{ tenant }", token=made.token(OTHER_TENANT)) for _ in range(5)]

    assert refused.startswith(b"HTTP/1.1 503 ")
    assert code_of(refused) == "OVERLOADED"
    assert [status for status, _ in others] == [200] * 5, "what comes whole is answered, also from this address"
