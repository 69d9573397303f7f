"""Every refusal: the right status, one stable code, nothing executed, one fact for the audit log (issue 5, "Bad input")."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import orjson
import pytest
from nats.aio.msg import Msg
from wsproto.events import CloseConnection

from mewayz.servers.nats import GATEWAY, gateway_user
from mewayz.servers.streams import connect as connect_admin
from router.execution.transport import Reply
from router.gateway.protocol import heads, websocket
from shared.wire.jetstream import settled
from shared.wire.occasion import PLATFORM, REFUSED
from shared.wire.pages import TenantPages
from shared.wire.token import SigningKey
from tests.router.gateway.test_heads import said
from tests.router.gateway.test_pages import until_told
from tests.router.gateway.test_subscriptions import INIT, Raw
from tests.router.gateway.world import OTHER_TENANT, TENANT, World, until, world
from tests.services import NatsServer

pytestmark = pytest.mark.anyio
RENAME = 'mutation { rename(name: "executed") }'
BODY = orjson.dumps({"query": RENAME})
ANONYMOUS = str(PLATFORM)
KNOWN = str(TENANT)
JSON_TYPE = "application/json"
FOREIGN = "https://shop.other.example"


@dataclass(frozen=True)
class Case:
    """A request that is refused: how it is sent, what answers, and in whose chain it is noted."""

    code: str
    status: int
    tenant: str
    send: Callable[[World, dict[str, str]], Awaitable[Any]]


def post(body: bytes = BODY, path: str = "/graphql", *, token: str | None = "", **headers: str) -> Any:
    """Return what posts a body; the user agent tells cases apart."""

    async def sent(made: World, agent: dict[str, str]) -> Any:
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return await made.post(body, path, token=token, headers={**agent, **more})

    return sent


def with_token(**claims: Any) -> Any:
    """Return what posts a good body with another token."""

    async def sent(made: World, agent: dict[str, str]) -> Any:
        return await made.post(BODY, token=made.token(**claims), headers=agent)

    return sent


async def get(made: World, agent: dict[str, str]) -> Any:
    token = {"authorization": f"Bearer {made.token()}"}
    return await made.get(f"/graphql?query={quote(RENAME)}", **token, **agent)


async def get_events(made: World, agent: dict[str, str]) -> Any:
    token = {"authorization": f"Bearer {made.token()}"}
    return await made.get(f"/graphql?query={quote(RENAME)}", **token, **agent, accept="text/event-stream")


async def method(made: World, agent: dict[str, str]) -> Any:
    return await made.ask("DELETE", **agent)


async def foreign_host(made: World, agent: dict[str, str]) -> Reply:
    head = f"POST /graphql HTTP/1.1\r\nhost: rebound.example\r\nuser-agent: {agent['user-agent']}\r\nconnection: close"
    answer = await said(made, f"{head}\r\ncontent-length: 0\r\n\r\n".encode())
    status, _, rest = answer.removeprefix(b"HTTP/1.1 ").partition(b" ")
    return Reply(int(status), {}, rest.partition(b"\r\n\r\n")[2])


async def get_login(made: World, agent: dict[str, str]) -> Any:
    return await made.get("/auth/login", **agent)


async def get_metrics(made: World, agent: dict[str, str]) -> Any:
    return await made.get("/metrics", **{"x-forwarded-for": "203.0.113.7", "authorization": "Bearer guessed"}, **agent)


def query(text: str) -> bytes:
    return orjson.dumps({"query": text})


CASES = {
    "no token": Case("UNAUTHENTICATED", 401, ANONYMOUS, post(token=None)),
    "no bearer": Case("UNAUTHENTICATED", 401, ANONYMOUS, post(token=None, authorization="Basic eDp5")),
    "garbage": Case("UNAUTHENTICATED", 401, ANONYMOUS, post(token="garbage")),
    "foreign key": Case("UNAUTHENTICATED", 401, ANONYMOUS, with_token(key=SigningKey.generate())),
    "no tenant": Case("UNAUTHENTICATED", 401, ANONYMOUS, with_token(tenant=None)),
    "wrong program": Case("UNAUTHENTICATED", 401, ANONYMOUS, post(token="mwz_00000000_x")),
    "foreign page": Case("ORIGIN_NOT_ALLOWED", 403, KNOWN, post(origin=FOREIGN)),
    "foreign host": Case("UNKNOWN_HOST", 421, ANONYMOUS, foreign_host),
    "mutation by GET": Case("METHOD_NOT_ALLOWED", 405, KNOWN, get),
    "method": Case("METHOD_NOT_ALLOWED", 405, ANONYMOUS, method),
    "login by GET": Case("METHOD_NOT_ALLOWED", 405, ANONYMOUS, get_login),
    "a form": Case("UNSUPPORTED_MEDIA_TYPE", 415, KNOWN, post(content_type="application/x-www-form-urlencoded")),
    "login by a form": Case("UNSUPPORTED_MEDIA_TYPE", 415, ANONYMOUS, post(path="/auth/login", content_type="text/plain")),
    "a batch": Case("BATCH_REFUSED", 400, KNOWN, post(b"[" + BODY + b"]")),
    "a long body": Case("PAYLOAD_TOO_LARGE", 413, KNOWN, post(BODY + b" " * 300_000)),
    "long variables": Case(
        "VARIABLES_BYTES_LIMIT", 400, KNOWN, post(orjson.dumps({"query": RENAME, "variables": {"a": "x" * 70_000}}))
    ),
    "aliases": Case(
        "ALIASES_LIMIT", 400, KNOWN, post(query("{" + " ".join(f"a{n}: tenant" for n in range(101)) + "}"))
    ),
    "tokens": Case("TOKENS_LIMIT", 400, KNOWN, post(query("{" + "tenant " * 2100 + "}"))),
    "directives": Case("DIRECTIVES_LIMIT", 400, KNOWN, post(query("{ tenant " + "@skip(if: false) " * 50 + "}"))),
    "cost": Case(
        "COST_LIMIT", 400, KNOWN, post(query("{" + " ".join(f'a{n}: deal(id: "1") {{ invoices }}' for n in range(15)) + "}"))
    ),
    "no JSON": Case("BAD_REQUEST", 400, KNOWN, post(b"{")),
    "no query": Case("BAD_REQUEST", 400, KNOWN, post(b'{"query": 7}')),
    "no document": Case("GRAPHQL_PARSE_FAILED", 200, KNOWN, post(query("mutation { rename("))),
    "no such field": Case("GRAPHQL_VALIDATION_FAILED", 200, KNOWN, post(query('mutation { rename(name: "x") nothing }'))),
    "wrong variable": Case(
        "BAD_USER_INPUT", 200, KNOWN,
        post(orjson.dumps({"query": "mutation($n: String!) { rename(name: $n) }", "variables": {"n": 7}})),
    ),
    "no such operation": Case(
        "OPERATION_RESOLUTION_FAILURE", 200, KNOWN, post(orjson.dumps({"query": RENAME, "operationName": "other"}))
    ),
    "not acceptable": Case("NOT_ACCEPTABLE", 406, ANONYMOUS, post(accept="text/html")),
    "no such path": Case("NOT_FOUND", 404, ANONYMOUS, post(path="/admin")),
    "metrics from elsewhere": Case("NOT_FOUND", 404, ANONYMOUS, get_metrics),
    "no such sign-in": Case("NOT_FOUND", 404, ANONYMOUS, post(path="/auth/session")),
    "a mutation by events and GET": Case("METHOD_NOT_ALLOWED", 405, KNOWN, get_events),
    "long variables by events": Case(
        "VARIABLES_BYTES_LIMIT", 400, KNOWN,
        post(orjson.dumps({"query": RENAME, "variables": {"a": "x" * 70_000}}), accept="text/event-stream"),
    ),
    "no such field by events": Case(
        "GRAPHQL_VALIDATION_FAILED", 200, KNOWN, post(query("subscription { nothing }"), accept="text/event-stream")
    ),
    "a subscription without events": Case("GRAPHQL_VALIDATION_FAILED", 200, KNOWN, post(query("subscription { nothing }"))),
    "by events": Case("UNAUTHENTICATED", 401, ANONYMOUS, post(token=None, accept="text/event-stream")),
}  # fmt: skip


@asynccontextmanager
async def facts(nats_server: NatsServer) -> AsyncIterator[dict[str, dict[str, Any]]]:
    """Yield what the gateway tells the audit log from now on, by id."""
    seen: dict[str, dict[str, Any]] = {}

    async def heard(message: Msg) -> None:
        told = orjson.loads(message.data)
        seen[told["id"]] = told

    admin = await connect_admin(nats_server.admin_url)
    await admin.subscribe(f"evt.*.{REFUSED}", cb=heard)
    await settled(admin)
    try:
        yield seen
    finally:
        await admin.close()


async def started(made: World, nats_server: NatsServer) -> None:
    await nats_server.nats.allow(gateway_user())
    user, secret = nats_server.nats.credentials(GATEWAY)
    told = msgspec.structs.replace(made.bootstrap(), nats_url=nats_server.url, nats_user=user, nats_password=secret)
    made.bootstrap = lambda: told  # pyright: ignore[reportAttributeAccessIssue]
    made.pages = [TenantPages(tenant_id=OTHER_TENANT, origins=(FOREIGN,))]
    made.identity.routes["/auth/key"] = lambda _: (401, [], b"{}")
    await made.start()
    await until_told(made, FOREIGN)


async def all_told(made: World, seen: dict[str, dict[str, Any]]) -> None:
    """Wait until whatever was noted so far has been told: one more refusal is told after it, and taken out again."""
    assert (await made.post(token=None, body=BODY, headers={"user-agent": "the last"})).status == 401
    lasts: list[str] = []

    def is_told() -> bool:
        lasts[:] = [number for number, one in seen.items() if one["data"]["userAgent"] == "the last"]
        return bool(lasts)

    await until(is_told)
    del seen[lasts[0]]


async def test_each_has_its_status_and_code_executes_nothing_and_is_told_once(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    refused: dict[str, tuple[int, Any]] = {}
    hosts = ("api.example.com",)
    async with world(tmp_path, hosts=hosts, cost=10) as made, facts(nats_server) as seen:
        await started(made, nats_server)
        for name, case in CASES.items():
            reply = await case.send(made, {"user-agent": name})
            body = reply.body if reply.status >= 400 or b"text/event" not in reply.headers[b"content-type"] else b"{}"
            refused[name] = (reply.status, orjson.loads(body))
        agents = lambda: [one["data"]["userAgent"] for one in seen.values()]  # noqa: E731
        await until(lambda: set(CASES) <= set(agents()))
        await all_told(made, seen)

        assert made.crm.done == []
        assert made.crm.tokens == made.invoicing.tokens == []

    for name, case in CASES.items():
        status, body = refused[name]
        assert (name, status) == (name, case.status)
        assert [set(error) - {"locations"} for error in body["errors"]] == [{"message", "extensions"}], name
        assert [error["extensions"]["code"] for error in body["errors"]] == [case.code], name
        assert set(body) == {"errors"}, name
        told = [(one["data"]["code"], one["data"]["count"], one["tenantid"]) for one in seen.values() if one["data"]["userAgent"] == name]  # fmt: skip
        assert told == [(case.code, 1, case.tenant)], name
    assert len({str(refused[name]) for name, case in CASES.items() if case.code == "UNAUTHENTICATED"}) == 1


async def test_on_a_socket_too(tmp_path: Path, nats_server: NatsServer) -> None:
    too_many = "{" + " ".join(f"a{n}: tenant" for n in range(101)) + "}"
    async with world(tmp_path) as made, facts(nats_server) as seen:
        await started(made, nats_server)
        address = made.url.removeprefix("http://")
        signed = await Raw.open(address)
        signed.say({**INIT, "payload": {"authorization": f"Bearer {made.token()}"}})
        assert await signed.hear() == {"type": "connection_ack"}
        signed.say({"id": "1", "type": "subscribe", "payload": {"query": too_many}})
        answer = await signed.hear()
        signed.writer.close()
        unknown = await Raw.open(address)
        unknown.say(INIT)
        closed = await unknown.hear()
        foreign = await Raw.open(address, origin="https://evil.example")
        assert await foreign.hear() == 403
        foreign.writer.close()
        nonsense = await Raw.open(address)
        nonsense.say({**INIT, "payload": {"authorization": f"Bearer {made.token()}"}})
        assert await nonsense.hear() == {"type": "connection_ack"}
        nonsense.say({"type": "nonsense"})
        ended = await nonsense.hear()
        await until(lambda: len(seen) >= 4)
        await all_told(made, seen)

    assert (answer["type"], answer["payload"][0]["extensions"]["code"]) == ("error", "ALIASES_LIMIT")
    assert (closed, ended) == (4403, 4400)
    assert made.crm.tokens == []
    assert sorted((one["data"]["code"], one["data"]["count"], one["tenantid"]) for one in seen.values()) == [
        ("ALIASES_LIMIT", 1, KNOWN),
        ("BAD_REQUEST", 1, KNOWN),
        ("ORIGIN_NOT_ALLOWED", 1, ANONYMOUS),
        ("UNAUTHENTICATED", 1, ANONYMOUS),
    ]


async def test_what_ends_a_socket_for_what_its_client_did_is_told_by_its_code(
    tmp_path: Path, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame too large, no frame, a name too long; a client that never signs in, one that asks another path"""
    async with world(tmp_path) as made, facts(nats_server) as seen:
        await started(made, nats_server)
        address = made.url.removeprefix("http://")
        signed = {**INIT, "payload": {"authorization": f"Bearer {made.token()}"}}
        named = {"id": "x" * 300, "type": "subscribe", "payload": {"query": "{ tenant }"}}
        ends: list[Any] = []
        for messages in ([signed, "x" * 300_000], [signed, named]):
            client = await Raw.open(address)
            client.say(*messages)
            while isinstance(heard := await client.hear(), dict):
                pass
            ends.append(heard)
        broken = await Raw.open(address)
        broken.writer.write(b"\xf1\x82\x00\x00\x00\x00{}")
        ends.append(await broken.hear())
        elsewhere = await Raw.open(address, path="/admin")
        ends.append(await elsewhere.hear())
        elsewhere.writer.close()
        leaving = await Raw.open(address)
        leaving.writer.write(leaving.wire.send(CloseConnection(4429)))  # its own words are no refusal of ours
        leaving.writer.close()
        monkeypatch.setattr(websocket, "_INIT_S", 0.2)
        silent = await Raw.open(address)
        ends.append(await silent.hear())
        await until(lambda: len(seen) >= 5)
        await all_told(made, seen)

    assert ends == [1009, 4400, 1002, 404, 4408]
    assert made.crm.tokens == []
    assert sorted((one["data"]["code"], one["data"]["count"], one["tenantid"]) for one in seen.values()) == [
        ("BAD_REQUEST", 1, ANONYMOUS),
        ("BAD_REQUEST", 1, KNOWN),
        ("NOT_FOUND", 1, ANONYMOUS),
        ("PAYLOAD_TOO_LARGE", 1, KNOWN),
        ("REQUEST_TIMEOUT", 1, ANONYMOUS),
    ]


async def test_what_is_no_request_at_all_is_told_too_and_counted(
    tmp_path: Path, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head too large, one too late, and what is no HTTP: where no company is known, a flood of it in one fact"""
    large, nonsense = b"GET / HTTP/1.1\r\nx-a: " + b"a" * 70_000, b"EHLO example.com\r\n\r\n"
    late = b"GET / HTTP/1.1\r\nhost: loc"
    async with world(tmp_path) as made, facts(nats_server) as seen:
        await started(made, nats_server)
        answers = [await said(made, piece) for piece in (large, *[nonsense] * 20)]
        monkeypatch.setattr(heads, "HEAD_S", 0.2)
        answers.append(await said(made, late))
        told = lambda: {one["data"]["code"] for one in seen.values()}  # noqa: E731
        await until(lambda: told() == {"HEADERS_TOO_LARGE", "REQUEST_TIMEOUT", "BAD_REQUEST"})

    assert [int(one.split(b" ", 2)[1]) for one in answers] == [431, *[400] * 20, 408]
    assert all(b"GET" not in one and b'"code":"' in one for one in answers)
    assert len(seen) <= 4  # of a minute's like ones the first by itself, the others as one
    assert {(one["tenantid"], one["data"]["target"], one["origin"]) for one in seen.values()} == {
        (ANONYMOUS, "HTTP", "127.0.0.1")
    }


async def test_whose_request_was_none_is_told_as_the_proxy_says_where_its_head_was_whole(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    """In a part of a head stands what the client wrote; what the proxy adds may come behind"""
    head = b"GET / HTTP/1.1\r\nx-forwarded-for: 203.0.113.5\r\n"
    async with world(tmp_path, proxies=("127.0.0.1",)) as made, facts(nats_server) as seen:
        await started(made, nats_server)
        await said(made, head + b"host: a\r\nhost: b\r\n\r\n")
        await said(made, head + b"x-a: " + b"a" * 70_000)
        await until(lambda: len(seen) >= 2)

    assert {(one["data"]["code"], one["origin"]) for one in seen.values()} == {
        ("BAD_REQUEST", "203.0.113.5"),
        ("HEADERS_TOO_LARGE", "127.0.0.1"),
    }


async def test_what_is_refused_for_too_much_or_by_a_module_is_told_once(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    """Rates, a key that is not for a module, and a permission: within the tenant, in the chain of who asked"""
    async with world(tmp_path, user_requests_per_minute=2) as made, facts(nats_server) as seen:
        await started(made, nats_server)
        forbidden = await made.graphql("{ refused }")
        allowed = await made.graphql("{ tenant }")
        limited = await made.graphql(RENAME)
        await until(lambda: len(seen) >= 2)
        await all_told(made, seen)

    assert [one[0] for one in (forbidden, allowed, limited)] == [200, 200, 429]
    assert forbidden[1]["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert made.crm.done == []
    assert sorted((one["data"]["code"], one["data"]["count"], one["tenantid"]) for one in seen.values()) == [
        ("FORBIDDEN", 1, KNOWN),
        ("RATE_LIMITED", 1, KNOWN),
    ]
