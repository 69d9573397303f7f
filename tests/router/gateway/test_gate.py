"""What stands before every operation: cost, rates, origins, host names (security.md F; threats 18, 19, 22, 30)."""

from contextlib import nullcontext
from pathlib import Path

import orjson
import pytest

from router.composition.compose import compose
from router.composition.subgraph import Subgraph
from router.execution.prepared import Graph
from router.gateway.access.cost import CostCheck
from router.gateway.access.origins import Origins
from router.gateway.errors import ForeignPage, LimitExceeded
from router.gateway.settings import Settings
from tests.router.gateway.test_heads import said
from tests.router.gateway.world import OTHER_TENANT, world

pytestmark = pytest.mark.anyio
SDL = """
extend schema @link(url: "https://specs.apollo.dev/federation/v2.11", import: ["@cost", "@listSize"])
type Query {
  deals(first: Int): DealConnection
  related(first: Int): [Deal]
  searched(limit: Int): [Deal] @listSize(slicingArguments: ["limit"], assumedSize: 3)
  receipts(first: Int = 50): [Deal]
  report: Deal @cost(weight: 50)
}
type DealConnection { nodes: [Deal] totalCount: Int }
type Deal { id: ID! related(first: Int): [Deal] sum: Int @cost(weight: 7) }
"""


@pytest.fixture(scope="module")
def graph() -> Graph:
    """A graph whose fields say what they cost."""
    composed = compose([Subgraph("crm", "http://crm", SDL)])
    assert composed.sdl, composed.errors
    return Graph.from_sdl(composed.sdl)


def _cost(graph: Graph, query: str, limit: int = 1_000_000, **variables: object) -> int:
    return CostCheck(limit).check(graph.prepare(query, None, variables), graph.supergraph, variables)


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ("{ related { id } }", 10),
        ("{ related(first: 3) { id } }", 3),
        ("{ deals(first: 5) { totalCount nodes { id } } }", 6),
        ("{ deals { nodes { id } } }", 21),
        ("{ deals(first: 5) { nodes { related(first: 4) { id } } } }", 1 + 5 * (1 + 4)),
        ("{ searched { id } }", 3),
        ("{ searched(limit: 8) { id } }", 8),
        ("{ report { sum } }", 57),
        ("{ deals(first: 5) { ...f } } fragment f on DealConnection { nodes { id } }", 6),
        ("{ __typename }", 0),
    ],
)
def test_a_list_costs_what_it_may_hold(graph: Graph, query: str, cost: int) -> None:
    assert _cost(graph, query) == cost


def test_sizes_in_variables_count_as_sent(graph: Graph) -> None:
    query = "query($n: Int) { related(first: $n) { id } }"

    assert _cost(graph, query, n=40) == 40
    assert _cost(graph, query, n=2) == 2
    assert _cost(graph, query, n=40.0) == 40, "JSON writes an Int so, too"


def test_a_size_by_default_counts_as_one_that_is_sent(graph: Graph) -> None:
    """security.md, threat 22: nothing is cheaper for not being written out"""
    query = "query($n: Int = 20) { related(first: $n) { related(first: $n) { related(first: $n) { id } } } }"

    assert _cost(graph, query) == 20 + 20 * 20 + 20 * 20 * 20
    assert _cost(graph, query, n=2) == 2 + 4 + 8
    assert _cost(graph, "{ receipts { id } }") == 50
    assert _cost(graph, "query($n: Int) { receipts(first: $n) { id } }") == 50
    assert _cost(graph, "query($n: Int) { receipts(first: $n) { id } }", n=None) == 50


@pytest.mark.parametrize("size", [-1_000_000, -1e9])
def test_a_size_below_nothing_pays_for_nothing_else(graph: Graph, size: float) -> None:
    """A module refuses such a list, and answers what stands beside it"""
    query = "query($n: Int) { a: related(first: $n) { id } b: related(first: 40) { id } }"

    assert _cost(graph, query, n=size) == 40
    assert _cost(graph, "{ a: related(first: -5) { related(first: 3) { id } } b: related(first: 40) { id } }") == 40


def test_a_hundred_of_a_hundred_of_a_hundred_is_refused(graph: Graph) -> None:
    """security.md, threat 22"""
    query = "{ related(first: 100) { related(first: 100) { related(first: 100) { id } } } }"

    with pytest.raises(LimitExceeded) as refused:
        _cost(graph, query, limit=5_000)

    assert refused.value.code == "COST_LIMIT"


async def test_one_tenant_that_asks_too_often_is_told_when_to_come_back_and_no_other_is(tmp_path: Path) -> None:
    """security.md, threat 30"""
    async with world(tmp_path, user_requests_per_minute=2) as here:
        await here.start()
        asked = [await here.graphql("{ tenant }") for _ in range(3)]
        limited = await here.post(orjson.dumps({"query": "{ tenant }"}))
        other = await here.graphql("{ tenant }", token=here.token(OTHER_TENANT))

    assert [status for status, _ in asked][:2] == [200, 200]
    assert limited.status == 429
    assert orjson.loads(limited.body)["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert 0 < int(limited.headers[b"retry-after"]) <= 60
    assert other[0] == 200


async def test_variables_above_their_limit_are_refused(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.start()
        status, answer = await here.graphql("query($id: ID!) { deal(id: $id) { id } }", {"id": "x" * 70_000})

    assert status == 400
    assert answer["errors"][0]["extensions"]["code"] == "VARIABLES_BYTES_LIMIT"


async def test_only_pages_of_the_list_may_read_answers(tmp_path: Path) -> None:
    """security.md, threats 18 and 19: without the header a browser shows a foreign page nothing"""
    body = orjson.dumps({"query": "{ tenant }"})
    async with world(tmp_path, origins=("https://app.example.com",)) as here:
        await here.start()
        ours = await here.post(body, headers={"origin": "https://app.example.com"})
        foreign = await here.post(body, headers={"origin": "https://evil.example.com"})

    assert ours.headers[b"access-control-allow-origin"] == b"https://app.example.com"
    assert b"access-control-allow-credentials" not in ours.headers
    assert b"access-control-allow-origin" not in foreign.headers
    assert foreign.headers[b"vary"] == b"origin"
    assert ours.headers[b"x-content-type-options"] == b"nosniff"
    assert ours.headers[b"x-frame-options"] == b"DENY"


async def test_a_preflight_is_answered_for_pages_of_the_list_alone(tmp_path: Path) -> None:
    asking = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    async with world(tmp_path, origins=("https://app.example.com",)) as here:
        await here.start()
        ours, foreign = [
            await here.ask("OPTIONS", **asking, origin=origin)
            for origin in ("https://app.example.com", "https://evil.example.com")
        ]

    assert (ours.status, foreign.status) == (204, 204)
    assert b"authorization" in ours.headers[b"access-control-allow-headers"]
    assert b"access-control-allow-methods" not in foreign.headers


@pytest.mark.parametrize(
    ("origin", "may"),
    [
        (b"https://evil.example.com", False),
        (b"null", False),
        (b"http://api.local:8000", True),
        (b"https://app.example.com", True),
    ],
)
def test_a_foreign_page_opens_no_websocket(origin: bytes, may: bool) -> None:
    """security.md, threat 18"""
    origins = Origins(Settings(origins=("https://app.example.com",)))
    host = (b"host", b"api.local:8000")

    with nullcontext() if may else pytest.raises(ForeignPage):
        origins.check_connecting({"headers": [host, (b"origin", origin)]})
    origins.check_connecting({"headers": [host]})


async def test_under_a_foreign_name_nothing_answers(tmp_path: Path) -> None:
    async with world(tmp_path, hosts=("api.example.com",)) as here:
        here.write_supergraph()
        await here.start_gateway(wait=False)
        names = ("rebound.example.org", "api.example.com:8000", "API.example.com", "localhost:8000", "127.0.0.1")
        ask = "GET /health/live HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n"
        answers = [await said(here, ask.format(name).encode()) for name in names]

    statuses = [int(one.split(b" ", 2)[1]) for one in answers]
    assert statuses == [421, 200, 200, 200, 200]
