"""A head is whole within a size and a time, else the connection ends: nobody fills the memory, or holds places (threat 21)."""

import asyncio
from pathlib import Path

import orjson
import pytest

from router.gateway.protocol import heads
from router.gateway.protocol.heads import BoundedHeads
from tests.router.gateway.world import World, world
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
LINE = b"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
BODY = b'{"query":"{ tenant }"}'


async def said(made: World, *pieces: bytes) -> tuple[bytes, bool]:
    """Return what is answered to these pieces, and whether the connection ended; else it was silent for a second."""
    host, port = made.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    heard = b""
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(1):
            while piece := await reader.read(65536):
                heard += piece
    except ConnectionError:
        pass
    except TimeoutError:
        return heard, False
    finally:
        writer.close()
    return heard, True


@pytest.mark.parametrize(
    "pieces",
    [
        (LINE + b"x-a: ", *[b"a" * 32_768] * 40),
        (LINE, *[b"x-a: " + b"a" * 1000 + b"\r\n"] * 1000),
        (b"GET /" + b"a" * 2_000_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",),
        (LINE + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-a: ", *[b"a" * 32_768] * 40),
    ],
)
async def test_a_head_without_end_ends_the_connection(tmp_path: Path, pieces: tuple[bytes, ...]) -> None:
    async with world(tmp_path) as made:
        await served(made)

        heard, is_over = await said(made, *pieces)

        assert is_over
        assert b" 200 " not in heard[:20]
        assert (await made.graphql("{ tenant }"))[0] == 200


async def test_it_is_told_why(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await served(made)

        heard, _ = await said(made, LINE + b"x-a: " + b"a" * 70_000)

    status, _, rest = heard.partition(b"\r\n")
    assert b"431" in status
    assert orjson.loads(rest.partition(b"\r\n\r\n")[2])["errors"][0]["extensions"] == {"code": "HEADERS_TOO_LARGE"}


async def test_a_head_that_is_late_ends_the_connection_and_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "HEAD_S", 0.2)
    async with world(tmp_path) as made:
        await served(made)
        host, port = made.url.removeprefix("http://").split(":")
        silent, slow, kept = [await asyncio.open_connection(host, int(port)) for _ in range(3)]
        slow[1].write(LINE)
        whole = LINE + b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n" % (made.token().encode(), len(BODY))
        kept[1].write(whole + BODY)
        assert b" 200 " in await kept[0].read(65536)

        ends = [await asyncio.wait_for(reader.read(), PATIENCE_S) for reader, _ in (silent, slow)]
        kept[1].write(whole + BODY[:5])
        await asyncio.sleep(0.4)  # a body has a time of its own
        kept[1].write(BODY[5:])
        again = await kept[0].read(65536)
        for _, writer in (silent, slow, kept):
            writer.close()

    assert ends == [b"", b""]
    assert b" 200 " in again


async def test_a_body_in_the_smallest_chunks_is_no_head(tmp_path: Path) -> None:
    body = BODY + b" " * 20_000
    chunks = b"".join(b"1\r\n%c\r\n" % one for one in body)
    async with world(tmp_path) as made:
        await served(made)
        head = LINE + b"authorization: Bearer %b\r\ntransfer-encoding: chunked\r\n\r\n" % made.token().encode()

        heard, _ = await said(made, head, chunks + b"0\r\n\r\n")

    assert b" 200 " in heard[:20]


async def served(made: World) -> None:
    """Start the world with its gateway as a router process serves it."""
    bound_heads(made)
    await made.start()


def bound_heads(made: World) -> None:
    """Let the world serve its gateway as a router process does."""
    serve = made.serve
    made.serve = lambda name, app, **more: serve(  # pyright: ignore[reportAttributeAccessIssue]
        name, app, **({**more, "http": BoundedHeads} if name == "gateway" else more)
    )
