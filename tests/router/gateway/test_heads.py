"""A head is whole within a size and a time, else the connection ends: nobody fills the memory, or holds places (threat 21)."""

import asyncio
from pathlib import Path

import orjson
import pytest

from router.gateway.protocol import heads
from tests.router.gateway.world import World, world
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
LINE = b"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
BODY = b'{"query":"{ tenant }"}'


async def said(made: World, *pieces: bytes) -> bytes:
    """Return what is answered to these pieces until the connection ends. Raises TimeoutError where it doesn't."""
    host, port = made.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    heard = b""
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(PATIENCE_S):
            while piece := await reader.read(65536):
                heard += piece
    except ConnectionError:
        pass
    finally:
        writer.close()
    return heard


def code_of(answer: bytes) -> str:
    """Return the code of a refusal."""
    (error,) = orjson.loads(answer.partition(b"\r\n\r\n")[2])["errors"]
    return error["extensions"]["code"]


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
        await made.start()

        heard = await said(made, *pieces)

        assert b" 200 " not in heard[:20]
        assert (await made.graphql("{ tenant }"))[0] == 200


async def test_it_is_told_why(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()

        heard = await said(made, LINE + b"x-a: " + b"a" * 70_000)

    assert heard.startswith(b"HTTP/1.1 431 ")
    assert code_of(heard) == "HEADERS_TOO_LARGE"


async def test_a_head_that_is_late_ends_the_connection_and_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path) as made:
        await made.start()
        host, port = made.url.removeprefix("http://").split(":")
        kept = await asyncio.open_connection(host, int(port))
        whole = LINE + b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n" % (made.token().encode(), len(BODY))
        kept[1].write(whole + BODY)
        assert b" 200 " in await kept[0].read(65536)
        monkeypatch.setattr(heads, "HEAD_S", 0.2)
        kept[1].write(whole + BODY[:5])  # a body has a time of its own
        silent, slow = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
        slow[1].write(LINE)

        ends = [await asyncio.wait_for(reader.read(), PATIENCE_S) for reader, _ in (silent, slow)]
        kept[1].write(BODY[5:])
        again = await kept[0].read(65536)
        for _, writer in (silent, slow, kept):
            writer.close()

    assert ends[0] == b"", "nothing was asked: a browser connects ahead"
    assert ends[1].startswith(b"HTTP/1.1 408 ")
    assert code_of(ends[1]) == "REQUEST_TIMEOUT"
    assert b" 200 " in again


async def test_a_body_in_the_smallest_chunks_is_no_head(tmp_path: Path) -> None:
    body = BODY + b" " * 20_000
    chunks = b"".join(b"1\r\n%c\r\n" % one for one in body)
    async with world(tmp_path) as made:
        await made.start()
        head = LINE + b"authorization: Bearer %b\r\nconnection: close\r\n" % made.token().encode()
        head += b"transfer-encoding: chunked\r\n\r\n"

        heard = await said(made, head, chunks + b"0\r\n\r\n")

    assert b" 200 " in heard[:20]


@pytest.mark.parametrize(
    "hosts",
    [
        b"",
        b"host: localhost\r\nhost: localhost\r\n",
        b"host: localhost\r\nHost: evil.example\r\n",
        b"host:\r\n",
        b"host: a b\r\n",
        b"host: a/b\r\n",
        b"host: user@a\r\n",
        b"host: a:port\r\n",
        b"host: [::1\r\n",
        b"host: a, b\r\n",
    ],
)
@pytest.mark.parametrize("upgrade", [b"", b"connection: upgrade\r\nupgrade: websocket\r\n"])
async def test_a_request_that_names_no_host_or_two_is_none(tmp_path: Path, hosts: bytes, upgrade: bytes) -> None:
    """RFC 9112 3.2: no Host, two, or one that is no host"""
    async with world(tmp_path) as made:
        await made.start()

        heard = await said(made, b"GET /health/live HTTP/1.1\r\n" + hosts + upgrade + b"\r\n")

    assert heard.startswith(b"HTTP/1.1 400 ")
    assert code_of(heard) == "BAD_REQUEST"
    assert b"host" in heard


@pytest.mark.parametrize("host", [b"localhost", b"LOCALHOST:8000", b"[::1]:8000", b"api_1.example.com.", b"127.0.0.1:"])
async def test_one_host_is_right_and_http_1_0_needs_none(tmp_path: Path, host: bytes) -> None:
    async with world(tmp_path) as made:
        await made.start()
        ask = b"GET /health/live HTTP/1.%d\r\n%b\r\n"
        heard = await said(made, ask % (1, b"connection: close\r\nhost: " + host + b"\r\n"))
        old = await said(made, ask % (0, b""))

    assert heard.startswith(b"HTTP/1.1 200 ")
    assert old.startswith(b"HTTP/1.1 200 ")
