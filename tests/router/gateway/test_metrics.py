"""What is counted, and who may read it (contracts.md: `/metrics` answers loopback only)."""

from pathlib import Path

import pytest

from router.gateway.access.peers import Proxies
from router.gateway.errors import NoSuchPath
from router.gateway.observe.metrics import Metrics
from router.gateway.observe.scraping import Scraping
from router.gateway.protocol.asgi import Message, Request
from shared.wire.control import ModuleState
from tests.modules import until
from tests.router.gateway.world import TENANT, USER, world

pytestmark = pytest.mark.anyio


async def test_requests_and_fetches_are_counted_by_outcome_without_naming_a_tenant(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        made.supervisor.states["invoicing"] = ModuleState.STOPPED
        await made.start()
        await made.graphql("{ tenant }")
        await made.graphql("{ tenant }", token=None)
        await made.graphql("{ nothing }")
        await made.graphql('{ deal(id: "1") { name invoices } }')

        wanted = {
            f'mewayz_request_seconds_count{{code="{code}"}} 1'
            for code in ("OK", "PARTIAL", "UNAUTHENTICATED", "GRAPHQL_VALIDATION_FAILED")
        }

        async def all_counted() -> bool:  # each when its answer is out
            return wanted <= set((await made.get("/metrics")).body.decode().splitlines())

        await until(all_counted)
        reply = await made.get("/metrics")
        lines = reply.body.decode().splitlines()
        assert reply.headers[b"content-type"] == b"text/plain; version=0.0.4; charset=utf-8"
        assert 'mewayz_fetch_seconds_count{module="crm",code="OK"} 2' in lines
        assert 'mewayz_fetch_seconds_count{module="invoicing",code="MODULE_UNAVAILABLE"} 1' in lines
        assert str(TENANT) not in reply.body.decode()
        assert str(USER) not in reply.body.decode()


async def test_data_that_disagrees_is_counted_by_module() -> None:
    """router.md, E3"""

    metrics = Metrics()
    metrics.merge_conflicts({"crm": 2})
    metrics.merge_conflicts({"crm": 1, "hr": 1})

    lines = "".join(metrics.lines()).splitlines()

    assert 'mewayz_merge_conflict_total{module="crm"} 3' in lines
    assert 'mewayz_merge_conflict_total{module="hr"} 1' in lines


async def test_what_a_proxy_brings_from_elsewhere_finds_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()

        reply = await made.get("/metrics", **{"x-forwarded-for": "203.0.113.7"})

        assert reply.status == 404


_TOKEN = "a token of the operator's"


@pytest.mark.parametrize(
    ("peer", "headers", "token", "answers"),
    [
        ("127.0.0.1", {}, None, True),
        ("::1", {}, _TOKEN, True),
        ("127.0.0.1", {"x-forwarded-for": "203.0.113.7"}, None, False),
        ("127.0.0.1", {"forwarded": "for=203.0.113.7"}, None, False),
        ("127.0.0.1", {"x-forwarded-host": "api.example.com"}, None, False),
        ("127.0.0.1", {"via": "1.1 proxy"}, None, False),
        ("127.0.0.1", {"x-real-ip": "127.0.0.1"}, None, False),
        ("127.0.0.9", {}, None, False),  # a proxy on this machine that the operator named, and that adds nothing
        ("203.0.113.7", {}, None, False),
        ("203.0.113.7", {}, _TOKEN, False),
        ("203.0.113.7", {"authorization": f"Bearer {_TOKEN}"}, _TOKEN, True),
        ("127.0.0.1", {"authorization": f"Bearer {_TOKEN}", "x-forwarded-for": "203.0.113.7"}, _TOKEN, True),
        ("203.0.113.7", {"authorization": f"Bearer {_TOKEN} "}, _TOKEN, False),
        ("203.0.113.7", {"authorization": _TOKEN}, _TOKEN, False),
        ("203.0.113.7", {"authorization": "Bearer None"}, None, False),
        ("203.0.113.7", {"authorization": "Bearer "}, None, False),
        ("", {}, None, False),
    ],
)
async def test_who_is_here_or_shows_the_token_may_read(
    peer: str, headers: dict[str, str], token: str | None, answers: bool
) -> None:
    """contracts.md, "Sign-in"; behind a proxy on this machine everybody comes from here."""

    async def nothing() -> Message:
        return {}

    scraping = Scraping(Metrics(), proxies=Proxies(("127.0.0.9", "10.0.0.0/8")), token=lambda: token)
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"method": "GET", "path": "/metrics", "query_string": b"", "headers": sent, "client": (peer, 1)}

    try:
        answered = (await scraping.respond(Request(scope, nothing))).status == 200
    except NoSuchPath:
        answered = False

    assert answered is answers
