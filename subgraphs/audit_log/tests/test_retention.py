"""Retention: what may go and when, who takes it out, and that the chain holds behind it (AUD-1, AUD-5)."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from shared.database.transaction import Database
from shared.wire.principal import Principal, system
from subgraphs.audit_log.models import AuditPurge
from subgraphs.audit_log.retention import purge
from subgraphs.audit_log.sealing import seal
from subgraphs.audit_log.tests.desk import as_owner, records, told
from subgraphs.audit_log.verification import Verified, verify_tenant
from tests.modules import RunningModule, until

pytestmark = pytest.mark.anyio


async def sealed(audit_log: RunningModule, who: Principal, count: int, *, after: int = 0) -> None:
    """Let so many things be done, and seal them."""
    for number in range(after, after + count):
        await told(audit_log, who, f"d{number}", "deal.close.won", {"dealId": f"d{number}"}, origin=f"192.0.2.{number}")
    await records(audit_log, who, after + count)
    await seal_now(audit_log, who)


async def seal_now(audit_log: RunningModule, who: Principal) -> None:
    async with audit_log.database.transaction(system(who.tenant)) as tx:
        await seal(tx)


async def purged(purging: Database, who: Principal) -> AuditPurge | None:
    async with purging.transaction(system(who.tenant)) as tx:
        return await purge(tx)


async def verified(audit_log: RunningModule, who: Principal) -> Verified:
    async with audit_log.database.transaction(who) as tx:
        return await verify_tenant(tx)


async def rule(audit_log: RunningModule, who: Principal, **more: Any) -> Any:
    answer = await audit_log.command(who, "setRetentionRule", "retentionRule { id keepMonths }", name="Rule", **more)
    return answer["retentionRule"], [one["code"] for one in answer["userErrors"]]


async def sequences(audit_log: RunningModule, who: Principal) -> list[int]:
    return [row["sequence"] for row in await audit_log.rows(who.tenant, "select sequence from audit_record order by 1")]


async def test_a_purge_takes_whole_windows_and_the_chain_holds_behind_them(
    audit_log: RunningModule, purging: Database
) -> None:
    """AUD-5: the seals are kept, the purge is recorded and told"""
    ada = await audit_log.new_tenant()
    await sealed(audit_log, ada, 3)
    await sealed(audit_log, ada, 2, after=3)
    await told(audit_log, ada, "d9", "deal.close.won", {}, origin="192.0.2.1")  # not sealed: it stays, and its address
    await records(audit_log, ada, 6)
    await rule(audit_log, ada, keepMonths=12)

    gone = await purged(purging, ada)

    assert gone is not None
    assert (gone.last_sequence, gone.record_count, gone.window_count) == (6, 6, 2)
    assert await sequences(audit_log, ada) == [7, 8, 9]  # the unsealed one, the rule, and the purge itself
    addresses = await audit_log.rows(ada.tenant, "select address from audit_origin")
    assert [row["address"] for row in addresses] == ["192.0.2.1"]
    found = await verified(audit_log, ada)
    assert (found.fault, found.purged, found.records, found.seals) == ("", 6, 9, 2)
    shown = await audit_log.execute(
        ada,
        "{ auditSeals { nodes { purgedAt } } auditVerification { isWhole checked } verificationStatus { purgedTo } "
        "auditRecords(filter: {action: {eq: DELETE}}) { nodes { subject entityType changeSummary } } }",
    )
    assert not shown.errors, shown.errors
    assert all(one["purgedAt"] for one in shown.data["auditSeals"]["nodes"])
    assert shown.data["auditVerification"] == {"isWhole": True, "checked": 3}
    assert shown.data["verificationStatus"]["purgedTo"]
    (own,) = shown.data["auditRecords"]["nodes"]
    assert (own["subject"], own["entityType"]) == ("audit.retention.purged", "AuditPurge")
    assert own["changeSummary"].startswith("lastSequence=6 lastHash=")

    async def is_told() -> bool:
        told_of = await audit_log.outgoing(ada.tenant, "audit.retention.purged")
        return [(one["data"]["recordCount"], one["data"]["moduleSlug"]) for one in told_of] == [(6, None)]

    await until(is_told)


async def test_a_chain_of_which_nothing_is_left_goes_on_where_it_was(
    audit_log: RunningModule, purging: Database
) -> None:
    """AUD-2: no number and no hash begins anew"""
    ada = await audit_log.new_tenant()
    await sealed(audit_log, ada, 2)
    await rule(audit_log, ada, keepMonths=12)
    await seal_now(audit_log, ada)
    before = await sequences(audit_log, ada)

    await purged(purging, ada)

    assert await sequences(audit_log, ada) == [before[-1] + 1]
    await seal_now(audit_log, ada)
    assert (await purged(purging, ada)) is not None  # the record of the purge is old too, by that clock
    await seal_now(audit_log, ada)
    found = await verified(audit_log, ada)
    assert (found.fault, found.seals, found.records) == ("", 4, before[-1] + 2)


async def test_nothing_goes_without_a_rule_or_before_the_longest_time_is_over(
    audit_log: RunningModule, purging: Database
) -> None:
    """AUD-5: the longest of the rules of all modules in a window"""
    ada = await audit_log.new_tenant()
    await sealed(audit_log, ada, 2)

    assert await purged(purging, ada) is None
    await rule(audit_log, ada, keepMonths=6, moduleSlug="crm")
    assert await purged(purging, ada) is None  # the window has a record of another module: tenant.created
    await rule(audit_log, ada, keepMonths=24)
    assert await purged(purging, ada) is None
    await rule(audit_log, ada, keepMonths=None)
    assert await purged(purging, ada) is None
    await rule(audit_log, ada, keepMonths=6)
    assert await purged(purging, ada) is not None


async def test_the_law_is_the_least(audit_log: RunningModule, purging: Database) -> None:
    """AUD-5: BELOW_LEGAL_MINIMUM"""
    ada = await audit_log.new_tenant()

    assert await rule(audit_log, ada, keepMonths=5) == (None, ["BELOW_LEGAL_MINIMUM"])
    kept, refused = await rule(audit_log, ada, keepMonths=6)
    changed, _ = await rule(audit_log, ada, keepMonths=7)

    assert not refused
    assert (changed["id"], changed["keepMonths"]) == (kept["id"], 7)
    subjects = await audit_log.rows(
        ada.tenant, "select actor_user_id from audit_record where subject = 'audit.retention.set'"
    )
    assert [row["actor_user_id"] for row in subjects] == [ada.user, ada.user]


async def test_the_law_is_that_of_the_tenants_region(audit_log: RunningModule, purging: Database) -> None:
    """AUD-5: what is set before the region is known counts for no less"""
    binh, ada = await audit_log.new_tenant(region="vn"), await audit_log.new_tenant(region=None)

    assert await rule(audit_log, binh, keepMonths=11) == (None, ["BELOW_LEGAL_MINIMUM"])
    assert (await rule(audit_log, ada, keepMonths=11))[1] == []


async def test_of_a_closed_tenant_all_goes_when_the_laws_time_is_over(
    audit_log: RunningModule, purging: Database
) -> None:
    """tenant.closed starts the clock: nothing goes before, however old it is"""
    ada = await audit_log.new_tenant()
    await sealed(audit_log, ada, 1)
    assert await purged(purging, ada) is None
    closed = {"tenantId": str(ada.tenant), "closedAt": "2026-11-28T20:00:00Z", "deleteAfter": "2026-12-28"}

    assert ada.tenant is not None
    await audit_log.publish(ada.tenant, "tenant.closed", "Tenant", ada.tenant, 2, closed)
    await records(audit_log, ada, 2)

    async def is_closed() -> bool:
        return bool(await audit_log.rows(ada.tenant, "select 1 from kit.tenant where state = 'CLOSED'"))

    await until(is_closed)
    async with Database(purging.engine, "audit_log", audit_log.database.clock).transaction(system(ada.tenant)) as tx:
        assert await purge(tx) is None
    assert await purged(purging, ada) is not None


async def test_under_a_hold_nothing_goes_until_it_is_released(audit_log: RunningModule, purging: Database) -> None:
    """AUD-5: also not by a purge that forgot to ask: the database refuses"""
    ada = await audit_log.new_tenant()
    await sealed(audit_log, ada, 2)
    await rule(audit_log, ada, keepMonths=6)
    placed = await audit_log.command(ada, "placeAuditHold", "retentionRule { id legalHold }", reason="Case 7")
    hold = placed["retentionRule"]["id"]

    assert await purged(purging, ada) is None
    assert await deleted(audit_log, ada, "true") == 0
    ended = await audit_log.command(ada, "releaseAuditHold", "retentionRule { active }", retentionRuleId=hold)
    again = await audit_log.command(ada, "releaseAuditHold", "retentionRule { active }", retentionRuleId=hold)

    assert ended["retentionRule"] == {"active": False}
    assert [one["code"] for one in again["userErrors"]] == ["ILLEGAL_STATE"]
    assert await purged(purging, ada) is not None
    own = "select subject from audit_record where subject like 'audit.hold.%' order by sequence"
    assert [row["subject"] for row in await audit_log.rows(ada.tenant, own)] == [
        "audit.hold.placed",
        "audit.hold.released",
    ]


async def deleted(audit_log: RunningModule, who: Principal, condition: str, tenant: UUID | None = None) -> int:
    """Return how many records the purge's role could delete by hand, of those that meet a condition."""
    connection = await asyncpg.connect(audit_log.urls.extra_urls["audit_log_purge"])
    try:
        async with connection.transaction():
            await connection.execute(f"set local app.tenant_id = '{tenant or who.tenant}'")
            done = await connection.execute(f"delete from audit_log.audit_record where {condition}")  # noqa: S608
            return int(done.removeprefix("DELETE "))
    finally:
        await connection.close()


async def test_the_role_that_purges_can_take_out_what_is_sealed_and_change_nothing(audit_log: RunningModule) -> None:
    """AUD-1: in the tenant that it works in; the module's own role can't delete at all (test_chain.py)"""
    ada, bea = await audit_log.new_tenant(), await audit_log.new_tenant()
    await sealed(audit_log, ada, 1)
    await told(audit_log, ada, "d1", "deal.close.won", {})
    await records(audit_log, ada, 2)
    connection = await asyncpg.connect(audit_log.urls.extra_urls["audit_log_purge"])

    assert await deleted(audit_log, ada, "sequence = 3") == 0
    assert await deleted(audit_log, bea, f"tenant_id = '{ada.tenant}'") == 0
    assert await deleted(audit_log, ada, "sequence <= 2") == 2
    for statement in (
        "update audit_log.audit_record set subject = 'x'",
        "delete from audit_log.audit_seal",
        "delete from audit_log.audit_purge",
        "update audit_log.retention_rule set active = false",
        "select * from audit_log.audit_export",
        "truncate audit_log.audit_record",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


async def test_a_window_that_was_tampered_with_is_told_and_kept(audit_log: RunningModule, purging: Database) -> None:
    """AUD-2: a purge throws no proof away, until somebody has looked at it"""
    ada = await audit_log.new_tenant()
    await sealed(audit_log, ada, 3)
    await rule(audit_log, ada, keepMonths=6)
    await as_owner(audit_log, ada.tenant, "update audit_log.audit_record set change_summary = 'x' where sequence = 2")

    assert await purged(purging, ada) is None
    assert await purged(purging, ada) is None
    (tamper,) = await audit_log.rows(ada.tenant, "select id, what from audit_tamper")
    assert tamper["what"] == "record 2 does not follow"
    done = await audit_log.command(
        ada, "acknowledgeAuditTamper", "auditTamper { acknowledgedAt }",
        auditTamperId=str(tamper["id"]), explanation="A restore gone wrong",
    )  # fmt: skip

    assert done["auditTamper"]["acknowledgedAt"]
    assert await purged(purging, ada) is not None
    assert (await verified(audit_log, ada)).fault == ""


async def test_a_purge_that_the_chain_does_not_know_is_found(audit_log: RunningModule) -> None:
    """AUD-5: who takes records out behind its back can't make it look like a purge"""
    ada = await audit_log.new_tenant()
    await sealed(audit_log, ada, 3)
    async with audit_log.database.transaction(system(ada.tenant)) as tx:
        (last,) = await audit_log.rows(ada.tenant, "select chain_hash from audit_record where sequence = 4")
        tx.add(
            AuditPurge(
                purged_to=tx.now(), last_sequence=4, last_hash=last["chain_hash"], record_count=4, window_count=1
            )
        )
    await as_owner(audit_log, ada.tenant, "delete from audit_log.audit_record")

    found = await verified(audit_log, ada)

    assert "is not in the chain" in found.fault
