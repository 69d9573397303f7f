"""What is counted, and who may read it (contracts.md: `/metrics` answers loopback only)."""

from pathlib import Path

import pytest

from router.gateway.observe.metrics import Metrics
from router.gateway.protocol.asgi import Message, Request
from shared.wire.control import ModuleState
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

        reply = await made.get("/metrics")

        lines = reply.body.decode().splitlines()
        assert reply.headers[b"content-type"] == b"text/plain; version=0.0.4; charset=utf-8"
        for code in ("OK", "PARTIAL", "UNAUTHENTICATED", "GRAPHQL_VALIDATION_FAILED"):
            assert f'mewayz_request_seconds_count{{code="{code}"}} 1' in lines
        assert 'mewayz_fetch_seconds_count{module="crm",code="OK"} 2' in lines
        assert 'mewayz_fetch_seconds_count{module="invoicing",code="MODULE_UNAVAILABLE"} 1' in lines
        assert str(TENANT) not in reply.body.decode()
        assert str(USER) not in reply.body.decode()


async def test_data_that_disagrees_is_counted_by_module() -> None:
    """router.md, E3"""

    async def nothing() -> Message:
        return {}

    metrics = Metrics()
    metrics.merge_conflicts({"crm": 2})
    metrics.merge_conflicts({"crm": 1, "hr": 1})
    scope = {"method": "GET", "path": "/metrics", "query_string": b"", "headers": [], "client": ("127.0.0.1", 1)}

    lines = (await metrics.respond(Request(scope, nothing))).body.decode().splitlines()

    assert 'mewayz_merge_conflict_total{module="crm"} 3' in lines
    assert 'mewayz_merge_conflict_total{module="hr"} 1' in lines


async def test_what_a_proxy_brings_from_elsewhere_finds_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()

        reply = await made.get("/metrics", **{"x-forwarded-for": "203.0.113.7"})

        assert reply.status == 404
