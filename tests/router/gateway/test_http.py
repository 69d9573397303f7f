"""GraphQL over HTTP: what is accepted, and how each refusal looks (security.md F, threats 19 and 21)."""

from pathlib import Path
from urllib.parse import quote

import anyio
import orjson
import pytest

from router.execution.transport import Reply
from tests.router.gateway.world import World, world
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
QUERY = b'{"query":"{ tenant }"}'
GRAPHQL_JSON = "application/graphql-response+json"


def _code(reply: Reply) -> str:
    return orjson.loads(reply.body)["errors"][0]["extensions"]["code"]


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", {}, 400, "BAD_REQUEST"),
        (b"{", {}, 400, "BAD_REQUEST"),
        (b"null", {}, 400, "BAD_REQUEST"),
        (b'{"q":1}', {}, 400, "BAD_REQUEST"),
        (b'{"query":7}', {}, 400, "BAD_REQUEST"),
        (b'{"query":"{ tenant }","variables":[]}', {}, 400, "BAD_REQUEST"),
        (b'{"query":"{ tenant }","operationName":{}}', {}, 400, "BAD_REQUEST"),
        (b'{"query":"{ tenant }","extensions":"x"}', {}, 400, "BAD_REQUEST"),
        (b'{"query":"\xff"}', {}, 400, "BAD_REQUEST"),
        (b'{"query":"{ tenant }","variables":{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}}", {}, 400, "BAD_REQUEST"),
        (b"[" + QUERY + b"]", {}, 400, "BATCH_REFUSED"),
        (b'{"query":"' + b" " * (256 * 1024) + b'"}', {}, 413, "PAYLOAD_TOO_LARGE"),
        (QUERY, {"content-type": "text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (QUERY, {"content-type": "application/x-www-form-urlencoded"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (QUERY, {"content-type": "multipart/form-data; boundary=x"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (QUERY, {"content-type": "application/json; charset=utf-16"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (QUERY, {"content-type": ""}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (QUERY, {"accept": "text/html"}, 406, "NOT_ACCEPTABLE"),
    ],
)
async def test_what_is_no_graphql_request_is_refused_with_one_stable_code(
    tmp_path: Path, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    async with world(tmp_path) as made:
        await made.start()

        reply = await made.post(body, headers=headers)

        assert (reply.status, _code(reply)) == (status, code)
        assert made.crm.tokens == []


async def test_an_answer_above_the_limit_is_refused_in_every_protocol(tmp_path: Path) -> None:
    """security.md, F: of several modules together, too, and of copies that the router makes itself"""
    small, large = [b'{"query":"{ deal(id: \\"%b\\") { name } }"}' % (b"x" * size) for size in (10, 200)]
    async with world(tmp_path, answer_bytes=200) as made:
        await made.start()

        given, refused = await made.post(small), await made.post(large)
        streamed = await made.post(large, headers={"accept": "text/event-stream"})

    assert given.status == 200
    assert (refused.status, _code(refused)) == (400, "ANSWER_TOO_LARGE")
    assert b"ANSWER_TOO_LARGE" in streamed.body
    assert b"xxxx" not in refused.body + streamed.body


async def test_an_upload_is_refused_before_its_body_has_come(tmp_path: Path) -> None:
    """Issue 5, upload limits; threat 19: a form of a foreign page is none of JSON's types"""
    types = (
        'multipart/form-data; boundary="x"',
        "multipart/mixed; boundary=x",
        "application/octet-stream",
        "application/zip",
        "image/png",
        "text/plain; x=application/json",
    )
    async with world(tmp_path) as made:
        await made.start()
        for path in ("/graphql", "/graphiql/plan", "/auth/login"):
            for content_type in types:
                with anyio.fail_after(PATIENCE_S):  # the whole of it would be a REQUEST_TIMEOUT after ten seconds
                    answer = await _begin_upload(made, path, content_type)

                assert answer.startswith(b"HTTP/1.1 415 "), (path, content_type)
                assert b'"code":"UNSUPPORTED_MEDIA_TYPE"' in answer
        assert made.crm.tokens == []


async def _begin_upload(made: World, path: str, content_type: str) -> bytes:
    """Send a gigabyte's head and beginning; return the answer to it."""
    begun = b'--x\r\ncontent-disposition: form-data; name="operations"\r\n\r\n{"query":"{ tenant }"}\r\n'
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\n"
        f"authorization: Bearer {made.token()}\r\ncontent-length: 1000000000\r\n\r\n"
    )
    host, _, port = made.url.removeprefix("http://").partition(":")
    async with await anyio.connect_tcp(host, int(port)) as upload:
        await upload.send(head.encode() + begun)
        answer = await upload.receive()
        while b"extensions" not in answer:
            answer += await upload.receive()
        return answer


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("{ tenant", {}, "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("query A { tenant } query B { tenant }", {}, "OPERATION_RESOLUTION_FAILURE"),
        ("query ($id: ID!) { deal(id: $id) { name } }", {}, "BAD_USER_INPUT"),
    ],
)
async def test_a_wrong_document_is_400_or_for_older_clients_200_as_the_draft_says(
    tmp_path: Path, query: str, variables: dict[str, object], code: str
) -> None:
    async with world(tmp_path) as made:
        await made.start()
        body = orjson.dumps({"query": query, "variables": variables})

        new = await made.post(body, headers={"accept": GRAPHQL_JSON})
        old = await made.post(body, headers={"accept": "application/json"})

        assert (new.status, _code(new)) == (400, code)
        assert (old.status, _code(old)) == (200, code)
        assert b"data" not in orjson.loads(new.body)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", b"application/json; charset=utf-8"),
        ("*/*", b"application/json; charset=utf-8"),
        (GRAPHQL_JSON, b"application/graphql-response+json; charset=utf-8"),
        (f"application/json;q=0.5, {GRAPHQL_JSON}", b"application/graphql-response+json; charset=utf-8"),
        (f"{GRAPHQL_JSON};q=0.5, application/json", b"application/json; charset=utf-8"),
    ],
)
async def test_the_answer_has_the_type_the_client_prefers(tmp_path: Path, accept: str, content_type: bytes) -> None:
    async with world(tmp_path) as made:
        await made.start()

        reply = await made.post(QUERY, headers={"accept": accept})

        assert (reply.status, reply.headers[b"content-type"]) == (200, content_type)
        assert (reply.headers[b"x-content-type-options"], reply.headers[b"cache-control"]) == (b"nosniff", b"no-store")


async def test_get_answers_queries_and_never_mutates(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        signed = {"authorization": f"Bearer {made.token()}"}
        query = quote("query ($id: ID!) { deal(id: $id) { name } }")
        mutation = quote('mutation { rename(name: "x") }')

        variables = quote('{"id":"7"}')
        answer = await made.get(f"/graphql?query={query}&variables={variables}", **signed)
        refused = await made.get(f"/graphql?query={mutation}", **signed)
        empty = await made.get("/graphql", **signed)
        broken = await made.get(f"/graphql?query={query}&variables=%7B", **signed)
        anonymous = await made.get(f"/graphql?query={query}")

        assert orjson.loads(answer.body) == {"data": {"deal": {"name": "Deal 7"}}}
        assert (refused.status, refused.headers[b"allow"], made.crm.done) == (405, b"POST", [])
        assert (empty.status, broken.status, anonymous.status) == (400, 400, 401)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_other_methods_are_405(tmp_path: Path, method: str) -> None:
    async with world(tmp_path) as made:
        await made.start()

        reply = await made.ask(method)

        assert (reply.status, reply.headers[b"allow"], _code(reply)) == (405, b"GET, POST", "METHOD_NOT_ALLOWED")


async def test_introspection_is_answered_to_whoever_is_signed_in(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()

        status, body = await made.graphql('{ __typename __type(name: "Deal") { fields { name } } }')

        names = {field["name"] for field in body["data"]["__type"]["fields"]}
        assert (status, body["data"]["__typename"], names) == (200, "Query", {"id", "name", "invoices"})
        assert made.crm.tokens == []


async def test_who_may_is_shown_the_plan(tmp_path: Path) -> None:
    body = b'{"query":"{ deal(id: 1) { invoices } }","extensions":{"plan":true}}'
    async with world(tmp_path) as made:
        await made.start()
        told = orjson.loads((await made.post(body)).body)
        kept = orjson.loads((await made.post(body, token=made.token(permissions=("crm.*",)))).body)

    assert [one["module"] for one in told["extensions"]["plan"]["fetches"]] == ["crm", "invoicing"]
    assert "extensions" not in kept
    assert kept["data"] == told["data"]
