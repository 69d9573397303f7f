"""Exports: who may take records out, what they hold, and for how long (AUD-6)."""

import csv
import hashlib
import io
import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from shared.database.transaction import Database
from shared.wire.principal import Principal, system
from subgraphs.audit_log import exports
from subgraphs.audit_log.chain import hash_of
from subgraphs.audit_log.tests.conftest import Later
from subgraphs.audit_log.tests.desk import as_owner, records, told
from tests.modules import RunningModule, until

pytestmark = pytest.mark.anyio
_PAGE = (
    "query($id: ID!, $after: Int!) { auditExportPage(auditExportId: $id, after: $after) { text hasMore nextAfter } }"
)


async def asked(audit_log: RunningModule, who: Principal, **more: Any) -> Any:
    selection = "auditExport { id status rowCount reference }"
    return await audit_log.command(who, "requestAuditExport", selection, **{"filter": {}, **more})


async def prepared(audit_log: RunningModule, who: Principal, later: timedelta = timedelta()) -> None:
    """Do what is done each minute, at a later time."""
    clock = Later()
    clock.by = later
    async with Database(audit_log.database.engine, "audit_log", clock).transaction(system(who.tenant)) as tx:
        await exports.expire(tx)
        await exports.prepare(tx)


async def shown(audit_log: RunningModule, who: Principal, export: str) -> dict[str, Any]:
    query = "query($id: ID!) { auditExport(id: $id) { status rowCount contentHash expiresAt requestedById } }"
    return (await audit_log.execute(who, query, id=export)).data["auditExport"]


async def read(audit_log: RunningModule, who: Principal, export: str) -> str | None:
    """Return all that an export holds, page by page; None where there is nothing to read."""
    whole, after, has_more = "", 0, True
    while has_more:
        answer = await audit_log.execute(who, _PAGE, id=export, after=after)
        page = answer.data["auditExportPage"]
        if page is None:
            return None
        whole, after, has_more = whole + page["text"], page["nextAfter"], page["hasMore"]
    return whole


async def test_an_export_is_a_table_of_the_records_that_were_asked_for(
    audit_log: RunningModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AUD-6: QUEUED, READY, and recorded itself; its hash is that of the pages one behind the other"""
    monkeypatch.setattr(exports, "PAGE_ROWS", 2)
    ada = await audit_log.new_tenant()
    for number in range(5):
        await told(audit_log, ada, f"d{number}", "deal.close.won", {"dealId": f"d{number}"}, origin="192.0.2.7")
    await told(audit_log, ada, "c1", "customer.created", {}, aggregate="Customer")
    await records(audit_log, ada, 6)

    queued = (await asked(audit_log, ada, filter={"subject": "deal.close.won"}))["auditExport"]
    assert (queued["status"], queued["rowCount"]) == ("QUEUED", 5)
    assert await read(audit_log, ada, queued["id"]) is None
    await prepared(audit_log, ada)
    await told(audit_log, ada, "d9", "deal.close.won", {})  # later than it was asked for: not in it
    whole = await read(audit_log, ada, queued["id"])

    assert whole is not None
    ready = await shown(audit_log, ada, queued["id"])
    assert (ready["status"], ready["contentHash"]) == ("READY", hashlib.sha256(whole.encode()).hexdigest())
    rows = list(csv.DictReader(io.StringIO(whole)))
    assert [row["changeSummary"] for row in rows] == [f"dealId=d{number}" for number in range(5)]
    assert {row["address"] for row in rows} == {"192.0.2.7"}
    own = "select * from audit_record where action = 'EXPORT'"
    (record,) = await audit_log.rows(ada.tenant, own)
    assert (record["entity_reference"], record["actor_user_id"]) == (queued["id"], ada.user)
    assert queued["reference"] == f"AX-{record['sequence']}"
    assert "rowCount=5" in record["change_summary"]

    async def is_told() -> bool:
        told_of = await audit_log.outgoing(ada.tenant, "audit.export.ready")
        return [(one["data"]["auditExportId"], one["data"]["rowCount"]) for one in told_of] == [(queued["id"], 5)]

    await until(is_told)


async def test_json_lines_can_be_checked_by_themselves(audit_log: RunningModule) -> None:
    """AUD-2: each line has what its hash is of"""
    ada = await audit_log.new_tenant()
    await told(audit_log, ada, "d1", "deal.close.won", {"dealId": "d1"}, origin="192.0.2.7")
    await records(audit_log, ada, 1)
    export = (await asked(audit_log, ada, format="JSON_LINES"))["auditExport"]["id"]
    await prepared(audit_log, ada)

    lines = [json.loads(line) for line in (await read(audit_log, ada, export) or "").splitlines()]

    assert len(lines) == 2
    for line in lines:
        facts = {exports.SNAKE[name]: value for name, value in line.items()}
        assert hash_of(line["previousHash"], SimpleNamespace(**facts)) == line["chainHash"]


async def test_no_cell_of_a_table_begins_like_a_formula(audit_log: RunningModule) -> None:
    """OWASP, CSV Injection: a user agent is whatever a caller sends"""
    ada = await audit_log.new_tenant()
    evil = {"code": "FORBIDDEN", "target": "/graphql", "count": 1, "userAgent": '=HYPERLINK("http://192.0.2.1","x")'}
    await told(audit_log, ada, "r1", "gateway.request.refused", evil, aggregate="Refusal", origin="192.0.2.8")
    await records(audit_log, ada, 1)
    export = (await asked(audit_log, ada, filter={"action": "DENIED"}))["auditExport"]["id"]
    await prepared(audit_log, ada)

    (row,) = csv.DictReader(io.StringIO(await read(audit_log, ada, export) or ""))

    assert row["userAgent"] == "'" + evil["userAgent"]
    assert exports.harmless("@x") == "'@x"
    assert exports.harmless(" \t-1+1") == "' \t-1+1"
    assert exports.harmless("a=b") == "a=b"


async def test_only_who_asked_reads_it_with_the_right_to_and_for_a_day(audit_log: RunningModule) -> None:
    """AUD-6: EXPIRED after 24 hours; addresses are only for who may read them"""
    ada, other = await audit_log.new_tenant(), await audit_log.new_tenant()
    await told(audit_log, ada, "d1", "deal.close.won", {}, origin="192.0.2.7")
    await records(audit_log, ada, 1)
    rights = ("audit_log.audit_record.*", "audit_log.audit_export.read@own")
    carl = Principal(tenant=ada.tenant, user=other.user, permissions=rights)
    viewer = Principal(tenant=ada.tenant, user=other.user, permissions=("*.read",))
    export = (await asked(audit_log, carl))["auditExport"]["id"]
    await prepared(audit_log, ada)

    text = await read(audit_log, carl, export)

    assert text is not None
    assert "192.0.2.7" not in text
    assert await read(audit_log, ada, export) is None
    assert await read(audit_log, other, export) is None
    refused = await audit_log.execute(viewer, _PAGE, id=export, after=0)
    assert refused.errors[0]["extensions"]["code"] == "FORBIDDEN"
    await prepared(audit_log, ada, timedelta(hours=23))
    assert (await shown(audit_log, ada, export))["status"] == "READY"
    await prepared(audit_log, ada, timedelta(hours=25))
    assert (await shown(audit_log, ada, export))["status"] == "EXPIRED"
    assert await read(audit_log, carl, export) is None


async def test_too_many_records_are_refused_and_lost_ones_fail(
    audit_log: RunningModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AUD-6: RANGE_TOO_LARGE; FAILED where the log has no longer what was counted"""
    ada = await audit_log.new_tenant()
    for number in range(3):
        await told(audit_log, ada, f"d{number}", "deal.close.won", {})
    await records(audit_log, ada, 3)
    monkeypatch.setattr(exports, "MOST_ROWS", 3)

    large = await asked(audit_log, ada)
    assert [one["code"] for one in large["userErrors"]] == ["RANGE_TOO_LARGE"]
    fits = (await asked(audit_log, ada, filter={"subject": "deal.close.won"}))["auditExport"]["id"]
    await as_owner(audit_log, ada.tenant, "delete from audit_log.audit_record where sequence = 2")
    await prepared(audit_log, ada)

    assert (await shown(audit_log, ada, fits))["status"] == "FAILED"
