"""Subscriptions over the gateway: WebSocket and server-sent events to clients, both from subgraphs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest
import uvicorn
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Request, TextMessage

from router.composition.compose import compose
from router.composition.subgraph import Subgraph
from router.execution.streams import server_sent_events, web_socket_events
from router.gateway.app import make_plain_app
from router.gateway.settings import Settings
from tests.router.gateway.module import LINK
from tests.router.gateway.world import _Server, until, world
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio

TICKETS = 'type Query { q: Int } type Subscription { changed: Ticket } type Ticket @key(fields: "id") { id: ID! }'
LIKES = 'type Ticket @key(fields: "id") { id: ID! likes: Int }'


class Desk:
    """Two foreign subgraphs in one server: tickets with a stream of two events, and their likes."""

    def __init__(self, *, speaks: str) -> None:
        self.speaks = speaks
        self.open = 0
        self.is_endless = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self._socket(receive, send)
            return
        body = (await receive())["body"]
        if scope["path"] == "/likes":
            request = orjson.loads(body)
            found = [{"likes": int(one["id"]) * 10} for one in request["variables"]["_r0"]]
            await _reply(send, b"application/json", orjson.dumps({"data": {"_entities": found}}))
        elif self.speaks == "events":
            await self._events(body, receive, send)
        else:
            await _reply(send, b"text/plain", b"only by socket", status=406)

    async def _events(self, body: bytes, receive: Any, send: Any) -> None:
        self.open += 1
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for event in self._each(body):
            text = b":\n\nevent: next\ndata: " + orjson.dumps(event) + b"\n\n"
            await send({"type": "http.response.body", "body": text, "more_body": True})
        if self.is_endless:
            await receive()
        else:
            await send({"type": "http.response.body", "body": b"event: complete\ndata:\n\n"})
        self.open -= 1

    def _each(self, body: bytes) -> list[Any]:
        query = orjson.loads(body)["query"]
        assert query.startswith("subscription"), query
        return [{"data": {"changed": {"__typename": "Ticket", "id": n, "_k1": n, "_k0": n}}} for n in ("1", "2")]

    async def _socket(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "graphql-transport-ws"})
        assert orjson.loads((await receive())["text"])["type"] == "connection_init"
        await send({"type": "websocket.send", "text": '{"type":"connection_ack"}'})
        message = orjson.loads((await receive())["text"])
        for event in self._each(orjson.dumps(message["payload"])):
            told = {"type": "next", "id": message["id"], "payload": event}
            await send({"type": "websocket.send", "text": orjson.dumps(told).decode()})
        await send({"type": "websocket.send", "text": orjson.dumps({"type": "complete", "id": "1"}).decode()})
        await receive()


async def _reply(send: Any, media: bytes, body: bytes, status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", media)]})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(*apps: Any) -> AsyncIterator[list[str]]:
    """Serve applications on ports of their own."""
    servers: list[_Server] = []
    async with anyio.create_task_group() as group:
        for app in apps:
            config = uvicorn.Config(app, port=0, log_config=None, ws="wsproto", timeout_graceful_shutdown=1)
            config.load()
            servers.append(_Server(config))
            group.start_soon(servers[-1].run_here)
            await until(lambda: servers[-1].started)
        yield [f"127.0.0.1:{one.servers[0].sockets[0].getsockname()[1]}" for one in servers]
        for server in servers:
            server.should_exit = True


@asynccontextmanager
async def plain(folder: Path, desk: Desk, **settings: Any) -> AsyncIterator[str]:
    """Serve the subgraphs and a plain router over them; yield the router's host and port."""
    async with serving(desk) as [behind]:
        parts = [
            Subgraph("desk", f"http://{behind}/desk", LINK + TICKETS),
            Subgraph("likes", f"http://{behind}/likes", LINK + LIKES),
        ]
        sdl = compose(parts).sdl
        assert sdl
        (folder / "supergraph.graphql").write_text(sdl)
        async with serving(make_plain_app(folder / "supergraph.graphql", Settings(**settings))) as [front]:
            yield front


def asked(query: str) -> bytes:
    return orjson.dumps({"query": query})


@pytest.mark.parametrize("speaks", ["events", "socket"])
async def test_each_event_is_completed_whatever_the_subgraph_and_the_client_speak(tmp_path: Path, speaks: str) -> None:
    async with plain(tmp_path, Desk(speaks=speaks)) as router:
        body = asked("subscription { changed { id likes } }")
        by_events = [one async for one in server_sent_events(f"http://{router}/graphql", body=body)]
        by_socket = [one async for one in web_socket_events(f"http://{router}/graphql", body=body)]

    expected = [{"data": {"changed": {"id": "1", "likes": 10}}}, {"data": {"changed": {"id": "2", "likes": 20}}}]
    assert [orjson.loads(one) for one in by_events] == expected
    assert [orjson.loads(one) for one in by_socket] == expected


async def test_a_stream_ends_at_its_subgraph_when_the_client_goes(tmp_path: Path) -> None:
    desk = Desk(speaks="events")
    desk.is_endless = True
    async with plain(tmp_path, desk) as router:
        for stream in (server_sent_events, web_socket_events):
            events = stream(f"http://{router}/graphql", body=asked("subscription { changed { id } }"))
            await anext(events)
            assert desk.open == 1
            await events.aclose()
            await until(lambda: desk.open == 0)


async def test_a_query_by_websocket_is_one_answer_and_a_wrong_one_an_error(tmp_path: Path) -> None:
    async with plain(tmp_path, Desk(speaks="events")) as router:
        url = f"http://{router}/graphql"
        assert [one async for one in web_socket_events(url, body=asked("{ __typename }"))] == [
            b'{"data":{"__typename":"Query"}}'
        ]
        [wrong] = [one async for one in web_socket_events(url, body=asked("{ nothing }"))]
        assert orjson.loads(wrong)["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_a_plain_router_refuses_nothing_for_its_cost(tmp_path: Path) -> None:
    async with plain(tmp_path, Desk(speaks="events"), cost=0) as router:
        body = asked("subscription { changed { id } }")
        assert len([one async for one in server_sent_events(f"http://{router}/graphql", body=body)]) == 2


class Raw:
    """A WebSocket client that says what it is told to, and sees close codes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.wire = WSConnection(ConnectionType.CLIENT)

    @classmethod
    async def open(cls, address: str, *, origin: str | None = None, path: str = "/graphql") -> "Raw":
        """Shake hands; `hear` tells where that is refused."""
        host, port = address.split(":")
        made = cls(*await asyncio.open_connection(host, int(port)))
        headers = [(b"origin", origin.encode())] if origin else []
        asked = Request(host=address, target=path, subprotocols=["graphql-transport-ws"], extra_headers=headers)
        made.writer.write(made.wire.send(asked))
        made.wire.receive_data(await asyncio.wait_for(made.reader.read(65536), PATIENCE_S))
        return made

    def say(self, *messages: Any) -> None:
        for message in messages:
            text = message if isinstance(message, str) else orjson.dumps(message).decode()
            self.writer.write(self.wire.send(TextMessage(text)))

    async def hear(self) -> Any:
        """Return the next message, or the close code."""
        while True:
            for event in self.wire.events():
                if isinstance(event, TextMessage):
                    return orjson.loads(event.data)
                if isinstance(event, CloseConnection):
                    self.writer.close()
                    return event.code
                if not isinstance(event, AcceptConnection):
                    return getattr(event, "status_code", event)
            self.wire.receive_data(await asyncio.wait_for(self.reader.read(65536), PATIENCE_S) or None)


INIT = {"type": "connection_init"}
ENDLESS = {"id": "1", "type": "subscribe", "payload": {"query": "subscription { changed { id } }"}}


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (["no json"], 4400),
        ([ENDLESS], 4401),
        ([INIT, INIT], 4429),
        ([INIT, {"type": "dance"}], 4400),
        ([INIT, {"type": "subscribe", "id": "1", "payload": {}}], 4400),
        ([INIT, ENDLESS, ENDLESS], 4409),
    ],
)
async def test_what_the_protocol_forbids_closes_with_its_code(tmp_path: Path, messages: list[Any], code: int) -> None:
    desk = Desk(speaks="events")
    desk.is_endless = True
    async with plain(tmp_path, desk) as router:
        client = await Raw.open(router)
        client.say(*messages)
        heard = await client.hear()
        while isinstance(heard, dict):
            heard = await client.hear()
        assert heard == code
        await until(lambda: desk.open == 0)


async def test_a_token_is_asked_for_at_connection_init_and_its_end_closes_the_connection(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        address = made.url.removeprefix("http://")

        async def first(token: str) -> tuple[Raw, Any]:
            client = await Raw.open(address)
            client.say({**INIT, "payload": {"authorization": f"Bearer {token}"}})
            return client, await client.hear()

        _, heard = await first("nonsense")
        assert heard == 4403

        client, heard = await first(made.token())
        assert heard == {"type": "connection_ack"}
        client.say({"id": "a", "type": "subscribe", "payload": {"query": "{ tenant }"}})
        assert (await client.hear())["payload"]["data"]["tenant"]
        assert await client.hear() == {"type": "complete", "id": "a"}
        client.writer.close()

        heard = None
        while heard != {"type": "connection_ack"}:  # a busy machine needs longer than such a token lives, now and then
            client, heard = await first(made.token(life=timedelta(seconds=2)))
        assert await client.hear() == 4403


QUERY = b'{"query":"{ deal(id: 1) { name ... @defer { invoices } } }"}'


async def test_what_is_deferred_comes_as_a_part_of_its_own(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        parts = await made.post(QUERY, headers={"accept": "multipart/mixed, application/json"})
        whole = await made.post(QUERY, headers={"accept": "multipart/mixed;deferSpec=20220824, application/json"})
        token = (("authorization", f"Bearer {made.token()}"),)
        events = [one async for one in server_sent_events(f"{made.url}/graphql", headers=token, body=QUERY)]

    assert parts.headers[b"content-type"] == b'multipart/mixed; boundary="-"'
    pieces = [orjson.loads(part.partition(b"\r\n\r\n")[2]) for part in parts.body.split(b"\r\n---")[1:-1]]
    assert pieces == [orjson.loads(one) for one in events]
    assert pieces == [
        {"data": {"deal": {"name": "Deal 1"}}, "pending": [{"id": "0", "path": ["deal"]}], "hasNext": True},
        {"incremental": [{"id": "0", "data": {"invoices": ["INV-1"]}}], "completed": [{"id": "0"}], "hasNext": False},
    ]
    assert orjson.loads(whole.body) == {"data": {"deal": {"name": "Deal 1", "invoices": ["INV-1"]}}}


STREAM = b'{"query":"{ deal(id: 1) { name invoices @stream } }"}'


async def test_a_streamed_list_comes_in_parts_and_in_events(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        parts = await made.post(STREAM, headers={"accept": "multipart/mixed, application/json"})
        token = (("authorization", f"Bearer {made.token()}"),)
        events = [one async for one in server_sent_events(f"{made.url}/graphql", headers=token, body=STREAM)]
        whole = await made.post(STREAM, headers={"accept": "application/json"})

    pieces = [orjson.loads(part.partition(b"\r\n\r\n")[2]) for part in parts.body.split(b"\r\n---")[1:-1]]
    assert pieces == [orjson.loads(one) for one in events]
    assert pieces == [
        {
            "data": {"deal": {"name": "Deal 1", "invoices": []}},
            "pending": [{"id": "0", "path": ["deal", "invoices"]}],
            "hasNext": True,
        },
        {"incremental": [{"id": "0", "items": ["INV-1"]}], "completed": [{"id": "0"}], "hasNext": False},
    ]
    assert orjson.loads(whole.body) == {"data": {"deal": {"name": "Deal 1", "invoices": ["INV-1"]}}}
