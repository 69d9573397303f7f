"""The chain: every event once, in one line a tenant, and no change of it goes unnoticed (AUD-1 to AUD-4)."""

from typing import Any

import asyncpg
import pytest

from shared.wire.occasion import PLATFORM
from shared.wire.principal import Principal, system
from subgraphs.audit_log.sealing import seal
from subgraphs.audit_log.tests.desk import as_owner, records, told
from subgraphs.audit_log.verification import check, verify_tenant
from tests.modules import RunningModule, until

pytestmark = pytest.mark.anyio


async def test_every_event_of_any_module_leaves_one_record(audit_log: RunningModule) -> None:
    """AUD-3: who, what, when, from where; the same event again leaves none"""
    ada = await audit_log.new_tenant()
    data = {"dealId": "d1", "status": "WON", "title": "A secret title", "amount": {"amount": "1", "currency": "CNY"}}

    won = await told(audit_log, ada, "d1", "deal.close.won", data, origin="192.0.2.7")
    await told(audit_log, ada, "c1", "customer.created", {"name": "ACME"}, aggregate="Customer")
    await records(audit_log, ada, 2)
    await told(audit_log, ada, "d1", "deal.close.won", data, origin="192.0.2.7", id=won, sequence=2)
    await told(audit_log, ada, "c2", "customer.created", {"name": "Other"}, aggregate="Customer")

    found = await records(audit_log, ada, 3)
    deal = next(one for one in found if one["subject"] == "deal.close.won")
    assert deal["action"] == "EXECUTE"
    assert deal["entityType"] == "Deal"
    assert deal["moduleSlug"] == "crm"
    assert deal["actorUser"] == {"id": str(ada.user)}
    assert deal["origin"]["address"] == "192.0.2.7"
    assert deal["changeSummary"] == "dealId=d1 status=WON"  # AUD-4: neither words nor amounts
    assert [one["action"] for one in found if one["subject"] == "customer.created"] == ["CREATE", "CREATE"]


async def test_refusals_sign_ins_and_reads_have_actions_of_their_own(audit_log: RunningModule) -> None:
    """AUD-3"""
    ada = await audit_log.new_tenant()
    refused = {"code": "FORBIDDEN", "target": "/graphql", "count": 7, "userAgent": "curl"}

    await told(audit_log, ada, "r1", "gateway.request.refused", refused, aggregate="Refusal", origin="192.0.2.8")
    await told(audit_log, ada, "s1", "gateway.session.begun", {"target": "/auth/login"}, aggregate="SignIn")
    read = {"readerId": str(ada.user), "entity": "LeaveRequest", "fields": ["kind"], "rowIds": ["l1"], "rowCount": 1}
    await told(audit_log, ada, "e1", "hr.sensitive.read", read, aggregate="HrReader", source="/hr")

    found = {one["action"]: one for one in await records(audit_log, ada, 3)}
    assert found.keys() == {"DENIED", "LOGIN", "READ"}
    assert found["DENIED"]["occurrences"] == 7
    assert found["DENIED"]["origin"] == {"address": "192.0.2.8", "userAgent": "curl"}
    assert found["READ"]["changeSummary"] == f"readerId={ada.user} entity=LeaveRequest fields=kind rowIds=l1 rowCount=1"


async def test_one_can_ask_by_person_module_and_time(audit_log: RunningModule) -> None:
    ada = await audit_log.new_tenant()
    await told(audit_log, ada, "d1", "deal.close.won", {})
    await told(audit_log, ada, "x1", "invoice.issued", {}, aggregate="Invoice", source="/invoicing", actorid=None)
    await records(audit_log, ada, 2)
    query = "query($f: AuditRecordFilter) { auditRecords(filter: $f) { nodes { subject } } }"

    async def asked(**filter: Any) -> list[str]:
        answer = await audit_log.execute(ada, query, f=filter)
        return sorted(one["subject"] for one in answer.data["auditRecords"]["nodes"])

    assert await asked(actorUserId={"eq": str(ada.user)}) == ["deal.close.won"]
    assert await asked(moduleSlug={"eq": "invoicing"}) == ["invoice.issued"]
    assert await asked(occurredAt={"lt": "2020-01-01T00:00:00Z"}) == []


async def test_the_module_itself_can_neither_change_nor_delete_a_record(audit_log: RunningModule) -> None:
    """AUD-1: its role has no right to"""
    ada = await audit_log.new_tenant()
    await told(audit_log, ada, "d1", "deal.close.won", {})
    await records(audit_log, ada, 1)

    for statement in ("update audit_record set subject = 'x'", "delete from audit_record", "truncate audit_record"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await audit_log.rows(ada.tenant, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_log.audit_record set change_summary = 'nothing' where sequence = 2",
        "delete from audit_log.audit_record where sequence = 2",
        "update audit_log.audit_record set actor_user_id = null where sequence = 3",
    ],
)
async def test_whatever_is_changed_behind_its_back_is_found(audit_log: RunningModule, statement: str) -> None:
    """AUD-2: a record changed, one taken out, another person put in"""
    ada = await audit_log.new_tenant()
    for number in range(4):
        await told(audit_log, ada, f"d{number}", "deal.close.won", {"dealId": f"d{number}"})
    await records(audit_log, ada, 4)
    async with audit_log.database.transaction(ada) as tx:
        assert (await verify_tenant(tx)).is_whole

    await as_owner(audit_log, ada.tenant, statement)

    async with audit_log.database.transaction(ada) as tx:
        found = await verify_tenant(tx)
        await seal(tx)
    assert not found.is_whole
    answer = await audit_log.execute(ada, "{ auditVerification { isWhole firstBadRecordId } }")
    assert answer.data["auditVerification"]["isWhole"] is False
    assert str(found.first_bad) == answer.data["auditVerification"]["firstBadRecordId"]

    async def detected() -> bool:
        return len(await audit_log.outgoing(ada.tenant, "audit.tamper.detected")) == 1

    await until(detected)
    assert await audit_log.rows(ada.tenant, "select 1 from audit_seal") == []


async def test_a_seal_tells_that_the_end_was_cut_off(audit_log: RunningModule) -> None:
    """AUD-2: a chain without its last records is whole in itself; its seal tells"""
    ada = await audit_log.new_tenant()
    for number in range(3):
        await told(audit_log, ada, f"d{number}", "deal.close.won", {})
    await records(audit_log, ada, 3)
    async with audit_log.database.transaction(system(ada.tenant)) as tx:
        await seal(tx)
        await seal(tx)  # nothing new: no second seal

    async def sealed() -> bool:
        return len(await audit_log.outgoing(ada.tenant, "audit.sealed")) == 1

    await until(sealed)
    async with audit_log.database.transaction(ada) as tx:
        assert (await verify_tenant(tx)).seals == 1

    await as_owner(audit_log, ada.tenant, "delete from audit_log.audit_record where sequence > 2")

    async with audit_log.database.transaction(ada) as tx:
        found = await verify_tenant(tx)
    assert not found.is_whole
    assert "seal" in found.fault


async def tampers(audit_log: RunningModule, who: Principal) -> list[dict[str, Any]]:
    query = "{ auditTampers { nodes { id what firstBadRecordId acknowledgedById explanation } } }"
    return (await audit_log.execute(who, query)).data["auditTampers"]["nodes"]


async def test_nothing_is_sealed_until_a_tampering_is_acknowledged(audit_log: RunningModule) -> None:
    """AUD-2: it is told once; what is acknowledged is exactly what was seen"""
    ada = await audit_log.new_tenant()
    for number in range(3):
        await told(audit_log, ada, f"d{number}", "deal.close.won", {})
    await records(audit_log, ada, 3)
    await as_owner(audit_log, ada.tenant, "delete from audit_log.audit_record where sequence = 2")

    async def seals() -> int:
        async with audit_log.database.transaction(system(ada.tenant)) as tx:
            await seal(tx)
        return len(await audit_log.rows(ada.tenant, "select 1 from audit_seal"))

    assert [await seals(), await seals()] == [0, 0]
    (tamper,) = await tampers(audit_log, ada)
    assert tamper["what"] == "record 3 does not follow"
    said = {"auditTamperId": tamper["id"], "explanation": "A restore gone wrong"}
    nameless = await audit_log.command(
        ada, "acknowledgeAuditTamper", "auditTamper { id }", **said | {"explanation": ""}
    )
    done = await audit_log.command(ada, "acknowledgeAuditTamper", "auditTamper { acknowledgedById }", **said)
    again = await audit_log.command(ada, "acknowledgeAuditTamper", "auditTamper { id }", **said)

    assert [one["code"] for one in nameless["userErrors"]] == ["VALIDATION"]
    assert done["auditTamper"] == {"acknowledgedById": str(ada.user)}
    assert [one["code"] for one in again["userErrors"]] == ["ILLEGAL_STATE"]
    assert await seals() == 1
    async with audit_log.database.transaction(ada) as tx:
        found = await verify_tenant(tx)
    assert (found.fault, found.acknowledged, found.seals) == ("", 1, 1)

    await as_owner(audit_log, ada.tenant, "update audit_log.audit_record set subject = 'x' where sequence = 3")
    async with audit_log.database.transaction(ada) as tx:
        assert (await verify_tenant(tx)).fault == "record 3 does not follow"


async def test_each_night_the_whole_chain_is_checked(audit_log: RunningModule) -> None:
    """AUD-2: also what was sealed long ago; the card and verificationStatus tell"""
    ada = await audit_log.new_tenant()
    for number in range(3):
        await told(audit_log, ada, f"d{number}", "deal.close.won", {})
    await records(audit_log, ada, 3)

    async def checked() -> dict[str, Any]:
        async with audit_log.database.transaction(system(ada.tenant)) as tx:
            await seal(tx)
        async with audit_log.database.transaction(system(ada.tenant)) as tx:
            await check(tx)
        shown = await audit_log.execute(ada, "{ verificationStatus { isWhole verifiedTo sealedTo fault openTampers } }")
        return shown.data["verificationStatus"]

    whole = await checked()
    await as_owner(audit_log, ada.tenant, "update audit_log.audit_record set subject = 'x' where sequence = 2")
    broken = await checked()

    assert whole == {**whole, "isWhole": True, "fault": None, "openTampers": 0}
    assert whole["verifiedTo"] == whole["sealedTo"] is not None
    assert broken == {**broken, "isWhole": False, "fault": "record 2 does not follow", "openTampers": 1}
    assert len(await tampers(audit_log, ada)) == 1


async def test_what_no_tenant_is_known_of_is_sealed_too(audit_log: RunningModule) -> None:
    """AUD-2: refused tokens and failed sign-ins have a chain like a company's"""
    nobody = system(PLATFORM)
    refused = {"code": "UNAUTHENTICATED"}
    await told(audit_log, nobody, "r1", "gateway.request.refused", refused, aggregate="Refusal", actorid=None)

    async def recorded() -> bool:
        return bool(await audit_log.rows(PLATFORM, "select 1 from audit_record"))

    await until(recorded)
    async with audit_log.database.transaction(nobody) as tx:
        await seal(tx)
        assert (await verify_tenant(tx)).is_whole

    async def is_told() -> bool:
        return bool(await audit_log.outgoing(PLATFORM, "audit.sealed"))

    await until(is_told)
