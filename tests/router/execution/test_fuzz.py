"""Whatever a client asks and whatever a subgraph answers: an answer or a refusal, in JSON, never an exception."""

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.errors import RouterError
from router.execution.defer import execute_in_pieces
from router.execution.run import execute
from tests.router.planning.test_contexts import shops
from tests.router.planning.test_features import shop
from tests.router.planning.world import World
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
quietly = settings(max_examples=70, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
SHOP, SHOPS = shop(), shops()

leaves = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=5)
keys = st.sampled_from(
    [
        "data",
        "errors",
        "_entities",
        "_e0",
        "_e1",
        "message",
        "path",
        "extensions",
        "code",
        "me",
        "name",
        "products",
        "users",
        "reviews",
        "stock",
        "_k0",
        "_k1",
        "_k2",
        "id",
        "__typename",
        "title",
        "text",
        "product",
        "author",
        "shops",
        "articles",
        "currency",
        "best",
    ]
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=25
)
answers = st.one_of(
    st.fixed_dictionaries({}, optional={"data": values, "errors": values}).map(orjson.dumps),
    values.map(orjson.dumps),
    st.binary(max_size=40),
)
words = st.sampled_from(
    [
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        ":",
        "!",
        "$",
        "@",
        "...",
        "on",
        "query",
        "mutation",
        "subscription",
        "fragment",
        "F",
        "Q",
        "me",
        "name",
        "products",
        "title",
        "users",
        "reviews",
        "text",
        "stock",
        "count",
        "author",
        "product",
        "@skip",
        "@include",
        "@defer",
        "@stream",
        "if:",
        "true",
        "false",
        "null",
        "initialCount:",
        "1",
        '"x"',
        "__typename",
        "__schema",
        "types",
        "$v",
        "a:",
        "1.5",
        "[]",
        "{}",
        "User",
        "Product",
    ]
)
QUERIES = (
    "{ me { name reviews { text author { name } } } products { title stock { count } shipping } }",
    "{ users @stream(initialCount: 1) { name ... @defer { reviews { text product { title } } } } }",
)


async def told(world: World, query: str, send: Any) -> None:
    """Assert that an operation is answered in JSON, whole and in pieces."""
    prepared = world.prepare(query)
    answer = await execute(prepared, {}, send, PATIENCE_S)
    decoded = orjson.loads(answer.body())
    assert set(decoded) <= {"data", "errors"}
    for error in decoded.get("errors", []):
        assert isinstance(error["message"], str)
        assert "code" in error["extensions"]
        assert "Traceback" not in error["message"]
    pieces = [orjson.dumps(one) async for one in execute_in_pieces(prepared, {}, send, PATIENCE_S)]
    assert pieces


async def answered(document: str) -> None:
    """Assert that a document is answered in JSON, or refused so."""
    try:
        prepared = SHOP.graph.prepare(document, None, {})
        body = (await execute(prepared, {}, SHOP.send, PATIENCE_S)).body()
    except RouterError as error:
        body = orjson.dumps(error.formatted())
    assert orjson.loads(body)


@quietly
@given(drawn=st.lists(answers, min_size=1, max_size=6), query=st.sampled_from(QUERIES))
async def test_any_answers_of_subgraphs(drawn: list[bytes], query: str) -> None:
    turn = iter(range(10**6))

    async def send(subgraph: str, body: bytes, seconds: float) -> bytes:
        number = next(turn)
        if number % 3 == 0 and number:
            return await SHOP.send(subgraph, body, seconds)
        return drawn[number % len(drawn)]

    await told(SHOP, query, send)


@quietly
@given(drawn=st.lists(answers, min_size=1, max_size=4), first=st.booleans())
async def test_any_answers_where_contexts_are_read(drawn: list[bytes], first: bool) -> None:
    turn = iter(range(10**6))

    async def send(subgraph: str, body: bytes, seconds: float) -> bytes:
        number = next(turn)
        if subgraph == "goods" and number == 0 and first:
            return await SHOPS.send(subgraph, body, seconds)
        return drawn[number % len(drawn)]

    await told(SHOPS, "{ shops { articles { price weight } shelf { articles { price } } } }", send)


@quietly
@given(document=st.lists(words, max_size=30).map(" ".join) | st.text(max_size=60))
async def test_any_documents(document: str) -> None:
    await answered(document)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A query with one to three places cut out or doubled.

    Drawn before the test's coroutine runs: what ends a draw is no Exception, and would end anyio's runner with it.
    """
    text = draw(st.sampled_from(QUERIES))
    for _ in range(draw(st.integers(1, 3))):
        at, size = draw(st.integers(0, len(text))), draw(st.integers(0, 8))
        text = draw(st.sampled_from((text[:at] + text[at + size :], text[:at] + text[at : at + size] * 2 + text[at:])))
    return text


@quietly
@given(text=damaged())
async def test_valid_documents_cut_and_doubled(text: str) -> None:
    await answered(text)
