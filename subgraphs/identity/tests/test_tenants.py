"""Tenants: made by the operator, known to all modules by event, suspended, closed (IDN-7, IDN-8)."""

from uuid import UUID

import pytest

from subgraphs.identity.tests.conftest import PASSWORD, Company, Desk
from tests.modules import until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def operator(desk: Desk) -> Company:
    return await desk.company(is_operator=True)


async def make(desk: Desk, operator: Company, slug: str) -> dict[str, str]:
    payload = await desk.running.command(
        await desk.principal(operator),
        "createTenant",
        "tenant { id slugName status parentTenantId }",
        name="New Firm",
        slugName=slug,
        ownerEmail=f"boss@{slug}.example",
        timezone="Europe/Berlin",
        baseCurrency="EUR",
    )
    assert payload["userErrors"] == []
    return payload["tenant"]


async def test_a_new_tenant_is_announced_with_all_that_modules_keep(desk: Desk, operator: Company) -> None:
    tenant = await make(desk, operator, f"firm-{operator.slug}")

    (event,) = await desk.running.outgoing(UUID(tenant["id"]), "tenant.created")

    assert event["subject"] == tenant["id"]
    assert event["aggregatetype"] == "Tenant"
    assert event["sequence"] == 1
    data = event["data"]
    assert data["tenantId"] == tenant["id"]
    assert data["slugName"] == f"firm-{operator.slug}"
    assert (data["timezone"], data["baseCurrency"], data["defaultLocale"]) == ("Europe/Berlin", "EUR", "en")
    assert data["plan"] == "FREE"

    async def known() -> bool:
        return bool(await desk.running.rows(UUID(tenant["id"]), "select 1 from kit.tenant"))

    await until(known)


async def test_a_tenant_has_a_time_zone_that_everybody_can_reckon_in(desk: Desk, operator: Company) -> None:
    given = {"name": "New Firm", "slugName": f"odd-{operator.slug}", "ownerEmail": "boss@odd.example"}

    payload = await desk.running.command(
        await desk.principal(operator), "createTenant", "tenant { id }", **given, timezone="Asia/Peking"
    )

    assert [error["code"] for error in payload["userErrors"]] == ["VALIDATION"]


async def test_the_owner_of_a_new_tenant_comes_in_by_invitation(desk: Desk, operator: Company) -> None:
    slug = f"firm-{operator.slug}"
    await make(desk, operator, slug)

    joined = await desk.post("/auth/invitation", token=await desk.letter(f"boss@{slug}.example"), password=PASSWORD)

    assert joined.body["tenant"]["slug"] == slug
    assert desk.claims(joined.body)["roles"] == ["Owner"]


async def test_a_slug_is_taken_once_on_the_platform(desk: Desk, operator: Company, company: Company) -> None:
    refused = await desk.running.command(
        await desk.principal(operator),
        "createTenant",
        "tenant { id }",
        name="Copy",
        slugName=company.slug,
        ownerEmail="boss@copy.example",
    )

    assert [error["code"] for error in refused["userErrors"]] == ["SLUG_TAKEN"]
    assert refused["tenant"] is None


async def test_only_the_operator_makes_tenants(desk: Desk, company: Company) -> None:
    owner = await desk.principal(company)
    query = "mutation($i: CreateTenantInput!) { createTenant(input: $i) { tenant { id } userErrors { code } } }"

    answer = await desk.running.execute(
        owner, query, i={"name": "X", "slugName": "x-firm", "ownerEmail": "a@b.example"}
    )

    assert [error["extensions"]["code"] for error in answer.errors] == ["FORBIDDEN"]


async def test_a_parent_sees_a_childs_outline_and_a_child_nothing_of_its_parent(desk: Desk, operator: Company) -> None:
    """IDN-8"""
    child = await desk.company(("member", "Member"), operator=operator.id)
    query = "{ tenants { nodes { id parentTenantId parentTenant { id } } } users { nodes { id } } }"

    above = (await desk.running.execute(await desk.principal(operator), query)).data
    below = (await desk.running.execute(await desk.principal(child), query)).data

    assert {one["id"] for one in above["tenants"]["nodes"]} == {str(operator.id), str(child.id)}
    assert len(above["users"]["nodes"]) == 1
    assert below["tenants"]["nodes"] == [{"id": str(child.id), "parentTenantId": None, "parentTenant": None}]
    assert len(below["users"]["nodes"]) == 2


async def test_a_suspended_tenant_lets_its_owners_in_to_pay_and_nobody_else(desk: Desk, operator: Company) -> None:
    """IDN-7"""
    child = await desk.company(("member", "Member"), operator=operator.id)
    member = await desk.signed_in(child, "member")
    chief = await desk.principal(operator)

    await desk.running.command(chief, "suspendTenant", "tenant { status }", tenantId=str(child.id), reason="Unpaid")

    assert "billing.*" in (await desk.principal(child)).permissions
    assert "*" not in (await desk.principal(child)).permissions
    assert (await desk.post("/auth/refresh", refreshToken=member["refreshToken"])).status == 401
    assert (await desk.post("/auth/login", email=child.email("member"), password=PASSWORD)).status == 401
    (event,) = await desk.running.outgoing(child.id, "tenant.suspended")
    assert event["data"] == {"tenantId": str(child.id), "reason": "Unpaid"}
    assert event["sequence"] == 2

    await desk.running.command(chief, "reactivateTenant", "tenant { status }", tenantId=str(child.id))
    assert (await desk.principal(child)).permissions == ("*",)


async def test_a_closed_tenant_can_be_exported_by_its_owners(desk: Desk, operator: Company) -> None:
    """IDN-7"""
    child = await desk.company(operator=operator.id)
    chief = await desk.principal(operator)

    closed = await desk.running.command(chief, "closeTenant", "tenant { status }", tenantId=str(child.id))

    assert closed["tenant"] == {"status": "CLOSED"}
    assert "data_exports.*" in (await desk.principal(child)).permissions
    (event,) = await desk.running.outgoing(child.id, "tenant.closed")
    assert event["data"]["deleteAfter"] > event["data"]["closedAt"][:10]
    again = await desk.running.command(chief, "reactivateTenant", "tenant { id }", tenantId=str(child.id))
    assert [error["code"] for error in again["userErrors"]] == ["ILLEGAL_STATE"]


async def test_a_strangers_tenant_is_not_found(desk: Desk, operator: Company, company: Company) -> None:
    chief = await desk.principal(operator)

    refused = await desk.running.command(chief, "closeTenant", "tenant { id }", tenantId=str(company.id))

    assert [error["code"] for error in refused["userErrors"]] == ["NOT_FOUND"]


async def test_a_plan_and_its_seats_come_from_billing(desk: Desk, operator: Company) -> None:
    child = await desk.company(operator=operator.id)
    subscription = child.id
    data = {"subscribedTenantId": str(child.id), "planCode": "PER_USER", "status": "ACTIVE", "seats": 12}

    await desk.running.publish(operator.id, "platform_plan.changed", "PlatformSubscription", subscription, 1, data)

    async def noted() -> bool:
        rows = await desk.running.rows(child.id, "select plan, seats from tenant")
        return rows == [{"plan": "PER_USER", "seats": 12}]

    await until(noted)
    assert desk.claims(await desk.signed_in(child))["plan"] == "PER_USER"


async def test_thirty_days_of_debt_suspend_and_settling_lifts_only_that(desk: Desk, operator: Company) -> None:
    """BIL-6"""
    child = await desk.company(operator=operator.id)

    async def overdue(days: int, number: int) -> None:
        data = {"platformInvoiceId": str(child.id), "subscribedTenantId": str(child.id), "daysLate": days}
        await desk.running.publish(operator.id, "platform_invoice.overdue", "PlatformInvoice", child.id, number, data)

    async def status() -> str:
        return (await desk.running.rows(child.id, "select status from tenant"))[0]["status"]

    await overdue(14, 1)
    await overdue(30, 2)

    async def suspended() -> bool:
        return await status() == "SUSPENDED"

    await until(suspended)
    data = {"subscribedTenantId": str(child.id), "planCode": "FREE", "status": "ACTIVE", "seats": 3}
    await desk.running.publish(operator.id, "platform_plan.changed", "PlatformSubscription", child.id, 1, data)

    async def active() -> bool:
        return await status() == "ACTIVE"

    await until(active)
    assert [one["type"] for one in await desk.running.outgoing(child.id, "tenant.>")] == [
        "tenant.created",
        "tenant.suspended",
        "tenant.reactivated",
    ]


async def test_a_tenant_that_is_no_parent_changes_nothing_elsewhere(desk: Desk, company: Company) -> None:
    victim = await desk.company()
    data = {"platformInvoiceId": str(victim.id), "subscribedTenantId": str(victim.id), "daysLate": 60}

    await desk.running.publish(company.id, "platform_invoice.overdue", "PlatformInvoice", victim.id, 1, data)

    async def taken() -> bool:
        return bool(
            await desk.running.rows(company.id, "select 1 from kit.inbox_key where key like 'PlatformInvoice/%'")
        )

    await until(taken)
    assert await desk.running.rows(victim.id, "select status from tenant") == [{"status": "ACTIVE"}]
