"""The pooled HTTP client, against real servers on Unix sockets."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketStream

from router.execution.transport import Transport, TransportError
from tests.router.gateway.world import until
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
Serve = Callable[[SocketStream, int], Awaitable[None]]


def within(seconds: float) -> float:
    return anyio.current_time() + seconds


@asynccontextmanager
async def server(path: Path, serve: Serve) -> AsyncIterator[str]:
    """Serve each connection by `serve(stream, ordinal)`; yield the URL."""
    count = 0

    async def accept(stream: SocketStream) -> None:
        nonlocal count
        count += 1
        async with stream:
            await serve(stream, count)

    async with anyio.create_task_group() as group, await anyio.create_unix_listener(path) as listener:
        group.start_soon(listener.serve, accept)
        yield f"unix:{path}"
        group.cancel_scope.cancel()


async def test_a_connection_is_kept_between_requests(tmp_path: Path) -> None:
    async def serve(stream: SocketStream, ordinal: int) -> None:
        while True:
            request = await stream.receive()
            reply = b"%d %d" % (ordinal, len(request.partition(b"\r\n\r\n")[2]))
            await stream.send(b"HTTP/1.1 200 OK\r\nX-A: b\r\ncontent-length: %d\r\n\r\n%s" % (len(reply), reply))

    async with server(tmp_path / "s", serve) as url:
        transport = Transport()
        first = await transport.request(url, body=b"12345", until=within(PATIENCE_S))
        second = await transport.request(url, body=b"123", until=within(PATIENCE_S))
        transport.close()

    assert (first.status, first.headers[b"x-a"], first.body) == (200, b"b", b"1 5")
    assert second.body == b"1 3"


@pytest.mark.parametrize("is_later", [False, True], ids=["with the reply", "later"])
async def test_a_connection_on_which_more_came_than_was_asked_for_is_not_used_again(
    tmp_path: Path, is_later: bool
) -> None:
    """What comes unasked would stand at the beginning of the next request's reply, maybe another tenant's."""
    reply = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n%d"
    unasked = b"HTTP/1.1 200 OK\r\ncontent-length: 60\r\n\r\nof somebody else"

    async def serve(stream: SocketStream, ordinal: int) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):  # the client closes it
            while True:
                await stream.receive()
                if is_later:
                    await stream.send(reply % ordinal)
                    await answered.wait()
                    await stream.send(unasked)
                else:
                    await stream.send(reply % ordinal + unasked)

    async with server(tmp_path / "s", serve) as url:
        transport = Transport()
        bodies: list[bytes] = []
        for _ in range(3):
            answered = anyio.Event()
            bodies.append((await transport.request(url, until=within(PATIENCE_S))).body)
            answered.set()
            await until(lambda: not any(one.is_reusable for one in transport._pools[url]._all))
        transport.close()

    assert bodies == [b"1", b"2", b"3"]


async def test_chunks_and_replies_without_a_length_are_read_whole(tmp_path: Path) -> None:
    replies = {
        1: b"HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
        2: b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nabcde",
        3: b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
    }

    async def serve(stream: SocketStream, ordinal: int) -> None:
        await stream.receive()
        await stream.send(replies[ordinal])

    async with server(tmp_path / "s", serve) as url:
        transport = Transport()
        bodies = [(await transport.request(url, until=within(PATIENCE_S))).body for _ in replies]

    assert bodies == [b"abcde", b"abcde", b""]


async def test_a_request_that_broke_is_sent_again_only_when_it_may_be(tmp_path: Path) -> None:
    async def serve(stream: SocketStream, ordinal: int) -> None:
        await stream.receive()
        if ordinal % 2 == 0:
            await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")

    async with server(tmp_path / "s", serve) as url:
        transport = Transport()
        query = await transport.request(url, until=within(PATIENCE_S), may_repeat=True)
        with pytest.raises(TransportError) as broken:
            await transport.request(url, until=within(PATIENCE_S))

    assert query.body == b"ok"
    assert broken.value.was_sent


async def test_nobody_there_is_told_from_no_answer(tmp_path: Path) -> None:
    async def serve(stream: SocketStream, ordinal: int) -> None:
        await anyio.sleep(1)

    transport = Transport()
    with pytest.raises(TransportError) as absent:
        await transport.request(f"unix:{tmp_path}/none", until=within(PATIENCE_S))
    async with server(tmp_path / "s", serve) as url:
        with pytest.raises(TimeoutError):
            await transport.request(url, until=within(0.05))

    assert not absent.value.was_sent


@pytest.mark.parametrize("reply", [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"])
async def test_what_is_not_http_or_ends_halfway_is_an_error(tmp_path: Path, reply: bytes) -> None:
    async def serve(stream: SocketStream, ordinal: int) -> None:
        await stream.receive()
        await stream.send(reply)

    async with server(tmp_path / "s", serve) as url:
        with pytest.raises(TransportError):
            await Transport().request(url, until=within(PATIENCE_S))
