"""WebSockets under attack: the same bounds as a POST has, the right close codes, memory that doesn't grow (threats 18, 20 to 22, 30)."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import BytesMessage, Ping, Request
from wsproto.extensions import PerMessageDeflate

from router.gateway.serving import listening
from shared.wire.token import SigningKey
from tests.router.gateway.test_subscriptions import INIT, Raw
from tests.router.gateway.world import OTHER_TENANT, World, until, world
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
SLOW = "{ held }"


def subscribe(number: str, query: str, **payload: Any) -> dict[str, Any]:
    return {"id": number, "type": "subscribe", "payload": {"query": query, **payload}}


@asynccontextmanager
async def connected(made: World, token: str | None = None) -> AsyncIterator[Raw]:
    """Yield a WebSocket on which somebody signed in."""
    client = await Raw.open(made.url.removeprefix("http://"))
    try:
        client.say({**INIT, "payload": {"authorization": f"Bearer {token or made.token()}"}})
        assert await client.hear() == {"type": "connection_ack"}
        yield client
    finally:
        client.writer.close()


def code_of(error: dict[str, Any]) -> str:
    return error["payload"][0]["extensions"]["code"]


@pytest.mark.parametrize(
    "query",
    [
        "{" + " ".join(f"a{n}: tenant" for n in range(31)) + "}",
        "{" + "tenant " * 2100 + "}",
        "{ tenant " + "@skip(if: false) " * 50 + "}",
        "{" + " ".join(f'a{n}: deal(id: "1") {{ invoices }}' for n in range(15)) + "}",
        "{ __schema { types " + "{ fields { type " * 12 + "{ name }" + "} }" * 12 + " } }",
        "{ a" + " { a" * 300 + "}" * 301,
        "{ ...f0 }" + "".join(f" fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(150)) + " fragment f150 on Query { tenant }",
        "{ ...f } fragment f on Query { ...f }",
        "mutation { rename(name: ",
        'mutation { rename(name: "x") nothing }',
    ],
)  # fmt: skip
async def test_what_a_post_refuses_a_subscribe_refuses_with_the_same_code(tmp_path: Path, query: str) -> None:
    async with world(tmp_path, cost=10) as made:
        await made.start()
        _, by_post = await made.graphql(query)
        async with connected(made) as client:
            client.say(subscribe("1", query))
            by_socket = await client.hear()

    assert by_socket["type"] == "error"
    assert by_socket["payload"] == by_post["errors"]
    assert by_post["errors"][0]["extensions"]["code"] != "INTERNAL"
    assert made.crm.tokens == made.invoicing.tokens == []


async def test_variables_have_the_bound_of_a_post_and_requests_are_counted_one_by_one(tmp_path: Path) -> None:
    async with world(tmp_path, user_requests_per_minute=2) as made:
        await made.start()
        async with connected(made) as client:
            client.say(subscribe("1", "query($id: ID!) { deal(id: $id) { id } }", variables={"id": "x" * 70_000}))
            large = await client.hear()
            heard: list[Any] = []
            for number in ("2", "3", "4"):
                client.say(subscribe(number, "{ tenant }"))
                heard.append(await client.hear())
                if heard[-1]["type"] == "next":
                    assert await client.hear() == {"type": "complete", "id": number}

    assert code_of(large) == "VARIABLES_BYTES_LIMIT"
    assert [one["type"] for one in heard] == ["next", "next", "error"]
    assert code_of(heard[2]) == "RATE_LIMITED"


@pytest.mark.parametrize("number", ["x" * 201, "\u4e2d" * 201, 7, None])
async def test_an_operation_is_named_within_bounds(tmp_path: Path, number: Any) -> None:
    """Each answer carries the name, and a hundred may be under way"""
    async with world(tmp_path) as made:
        await made.start()
        async with connected(made) as client:
            client.say(subscribe(number, "{ tenant }"))

            assert await client.hear() == 4400
    assert made.crm.tokens == []


async def test_a_name_of_many_bytes_is_told_within_what_a_close_may_say(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        async with connected(made) as client:
            client.say(subscribe("\u4e2d" * 200, SLOW), subscribe("\u4e2d" * 200, SLOW))

            assert await client.hear() == 4409


async def test_operations_under_way_are_bounded_on_a_connection_and_of_a_tenant(tmp_path: Path) -> None:
    async with world(tmp_path, tenant_streams=6) as made:
        await made.start()
        async with connected(made) as first, connected(made, made.token(OTHER_TENANT)) as other:
            first.say(*(subscribe(str(number), SLOW) for number in range(6)))
            refused = await first.hear()
            first.say(*({"type": "complete", "id": str(number)} for number in range(5)))
            other.say(subscribe("1", "{ tenant }"))
            assert (await other.hear())["type"] == "next"
            await until(lambda: made.standing == 2)  # both connections, no more
            first.say(subscribe("again", "{ tenant }"))
            again = await first.hear()
    assert (refused["type"], code_of(refused), refused["id"]) == ("error", "OVERLOADED", "5")
    assert again["type"] == "next"


async def test_a_connection_carries_a_hundred_operations(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        async with connected(made) as client:
            client.say(*(subscribe(str(number), SLOW) for number in range(101)))

            assert await client.hear() == 4429


async def refused(made: World, head: str) -> tuple[int, str]:
    """Return how a handshake with these headers is refused."""
    reader, writer = await asyncio.open_connection(*made.url.removeprefix("http://").split(":"))
    writer.write(head.encode())
    answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.close()
    (error,) = orjson.loads(answer.partition(b"\r\n\r\n")[2])["errors"]
    return int(answer.split(b" ", 2)[1]), error["extensions"]["code"]


HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: {protocol}\r\norigin: {origin}\r\n\r\n"
)
GOOD = {"path": "/graphql", "host": "api.example.com", "protocol": "graphql-transport-ws", "origin": "https://api.example.com"}  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"host": "rebound.example", "origin": "http://rebound.example"}, 421, "UNKNOWN_HOST"),
        ({"origin": "https://evil.example"}, 403, "ORIGIN_NOT_ALLOWED"),
        ({"origin": "null"}, 403, "ORIGIN_NOT_ALLOWED"),
        ({"protocol": "graphql-ws"}, 400, "BAD_REQUEST"),
        ({"path": "/admin"}, 404, "NOT_FOUND"),
        ({"protocol": "graphql-transport-ws\r\nsec-websocket-version: 12"}, 400, "BAD_REQUEST"),
    ],
)
async def test_a_handshake_is_refused_like_a_request(
    tmp_path: Path, wrong: dict[str, str], status: int, code: str
) -> None:
    async with world(tmp_path, hosts=("api.example.com",)) as made:
        await made.start()

        assert await refused(made, HANDSHAKE.format(**{**GOOD, **wrong})) == (status, code)


@pytest.mark.parametrize(
    "token",
    [
        lambda made: made.token(life=timedelta(seconds=-30)),
        lambda made: made.token(key=SigningKey.generate()),
        lambda made: made.token(tenant=None),
        lambda _: "",
        lambda _: "\u4e2d",
    ],
)
async def test_a_token_that_is_no_good_closes_whatever_is_wrong_with_it(tmp_path: Path, token: Any) -> None:
    async with world(tmp_path) as made:
        await made.start()
        client = await Raw.open(made.url.removeprefix("http://"))
        client.say({**INIT, "payload": {"authorization": f"Bearer {token(made)}"}}, subscribe("1", "{ tenant }"))

        assert await client.hear() == 4403
    assert made.crm.tokens == []


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (lambda wire: wire.send(BytesMessage(orjson.dumps(INIT))), 4400),
        (lambda wire: wire.send(BytesMessage(b"\x00" * 300_000)), 1009),
        (lambda _: b"\x81\x82\x00\x00\x00\x00\xff\xff", 1007),
        (lambda _: b"\xf1\x82\x00\x00\x00\x00{}", 1002),
        (lambda _: b"\x81\x02{}", 1002),
    ],
)
async def test_frames_that_are_none_end_the_connection(tmp_path: Path, frames: Any, code: int) -> None:
    """Binary, too large, no UTF-8, reserved bits, unmasked"""
    async with world(tmp_path) as made:
        await made.start()
        async with connected(made) as client:
            client.writer.write(frames(client.wire))

            assert await client.hear() == code
        async with connected(made):
            pass  # others go on


async def test_nothing_is_unpacked(tmp_path: Path) -> None:
    """A megabyte of one letter is a kilobyte on the wire: bounds would be looked at when all is unpacked"""
    async with world(tmp_path) as made:
        await made.start()
        address = made.url.removeprefix("http://")
        reader, writer = await asyncio.open_connection(*address.split(":"))
        wire, deflate = WSConnection(ConnectionType.CLIENT), PerMessageDeflate()
        writer.write(wire.send(Request(address, "/graphql", [deflate], subprotocols=["graphql-transport-ws"])))
        answer = await reader.readuntil(b"\r\n\r\n")
        writer.close()

    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"deflate" not in answer.lower()


async def test_who_pings_and_never_reads_fills_no_memory(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        reader, writer = await asyncio.open_connection(*made.url.removeprefix("http://").split(":"))
        wire = WSConnection(ConnectionType.CLIENT)
        writer.write(wire.send(Request("localhost", "/graphql", subprotocols=["graphql-transport-ws"])))
        wire.receive_data(await reader.readuntil(b"\r\n\r\n"))
        list(wire.events())
        (served,) = (one for one in made._servers["gateway"].server_state.connections if hasattr(one, "ping_timer"))
        ping = wire.send(Ping(b"x" * 125))
        for _ in range(150):  # 20 MB in all
            writer.write(ping * 1000)
            await asyncio.wait_for(writer.drain(), PATIENCE_S)
        left = served.transport.get_write_buffer_size()
        writer.transport.abort()

    assert left < 1_000_000


def test_what_nobody_takes_ends_the_connection() -> None:
    """The peer is gone, or holds our memory by reading nothing"""
    with listening("127.0.0.1", 0, unread_s=0.3) as listener:
        client = socket.create_connection(listener.getsockname())
        served, _ = listener.accept()
        served.settimeout(PATIENCE_S)

        with pytest.raises(TimeoutError) as ended:
            while True:
                served.send(b"x" * 65536)
        client.close()
        served.close()

    assert ended.value.errno, "the kernel gave up, not our own clock"
