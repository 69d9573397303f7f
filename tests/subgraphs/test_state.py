"""What a module keeps copies of is told to it of rows older than the stream (shared/events/state.py, ADR 0026)."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from mewayz.folders import Folders
from mewayz.runtime import telling
from mewayz.runtime.orders import Task
from mewayz.runtime.telling import ModuleAtWork, Place, pages, tell_state
from shared.events import state
from shared.events.lease import Lease, LeaseLost
from shared.events.state import Standing, Untold, keep_state, read_state
from shared.events.stream import call, deliver_again
from shared.events.subscription import Subscription
from shared.wire.control import Operate
from shared.wire.principal import Principal
from subgraphs.crm.models import Customer
from subgraphs.hr.models import Department, Employee
from tests.modules import RunningModule, Starter, until

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("state")]

FIRST = UUID(int=0)


@pytest.fixture
async def crm(start_module: Starter) -> RunningModule:
    return await start_module("crm")


@pytest.fixture
async def hr(start_module: Starter) -> RunningModule:
    return await start_module("hr")


@pytest.fixture
async def projects(start_module: Starter) -> RunningModule:
    return await start_module("projects")


async def a_customer(crm: RunningModule, who: Principal, name: str) -> UUID:
    made = await crm.command(who, "registerCustomer", "customer { id }", name=name, force=True)
    return UUID(made["customer"]["id"])


async def rename(crm: RunningModule, who: Principal, customer_id: UUID, name: str) -> None:
    async with crm.transaction(who) as tx:
        customer = await tx.get(Customer, customer_id)
        customer.name = name
        tx.publish(customer.updated())


async def names(projects: RunningModule, who: Principal) -> dict[UUID, str]:
    rows = await projects.rows(who.tenant, "select customer_id, name from known_customer")
    return {row["customer_id"]: row["name"] for row in rows}


async def position(module: RunningModule, who: Principal, key: str) -> int:
    rows = await module.rows(who.tenant, "select last_sequence from kit.inbox_key where key = $1", key)
    return rows[0]["last_sequence"] if rows else 0


async def heard(module: RunningModule, who: Principal, key: str, sequence: int) -> None:
    async def there() -> bool:
        return await position(module, who, key) >= sequence

    await until(there)


async def come_later(module: RunningModule, who: Principal, *tables: str) -> None:
    """Let a module be as if it had just been installed, months after the tenant's events."""
    await call(module.admin, "STREAM.PURGE.EVENTS", {"filter": f"evt.{who.tenant}.>"})
    async with module.transaction(who) as tx:
        await tx.session.execute(text("update kit.inbox_key set last_sequence = 0"))
        for table in tables:
            await tx.session.execute(text(f"delete from {table}"))  # noqa: S608


async def keep(
    module: RunningModule, who: Principal, standings: Sequence[Standing], kept: Mapping[str, Subscription] | None = None
) -> list[Untold]:
    """Tell a module of a page under the lease of its running process, which may take it anew at any moment."""
    assert who.tenant is not None
    subscriptions, slug = kept or module.module.kept, module.module.slug
    connection = await asyncpg.connect(module.urls.relay_url)
    try:
        while True:
            epoch = await connection.fetchval("select max(epoch) from kit.consumer_lease")
            lease = Lease(connection, slug, epoch)
            with suppress(LeaseLost):
                return await keep_state(module.database, lease, subscriptions, who.tenant, standings)
    finally:
        await connection.close()


async def tell(
    owner: RunningModule, keeper: RunningModule, who: Principal, kept: Mapping[str, Subscription] | None = None
) -> list[Untold]:
    """Tell a module all that an owner has of a tenant, page by page."""
    assert who.tenant is not None
    untold: list[Untold] = []
    for one in owner.module.states:
        after: UUID | None = FIRST
        while after is not None:
            page = await read_state(owner.database, one, who.tenant, after)
            untold += await keep(keeper, who, page.standings, kept)
            after = page.next_after
    return untold


async def test_customers_older_than_the_stream_are_known_with_those_merged_into_them(
    crm: RunningModule, projects: RunningModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "_PAGE", 2)
    ada, bob = await crm.new_tenant(), await crm.new_tenant()
    ids = [await a_customer(crm, ada, f"Customer {number}") for number in range(5)]
    await crm.command(ada, "mergeCustomers", "customer { id }", survivorId=str(ids[4]), mergedId=str(ids[0]))
    theirs = await a_customer(crm, bob, "Bob's")
    await heard(projects, ada, f"Customer/{ids[4]}", 2)
    await heard(projects, bob, f"Customer/{theirs}", 1)
    for who in (ada, bob):
        await come_later(projects, who, "known_customer", "customer_alias")
    await deliver_again(crm.admin, ["projects"])
    assert await names(projects, ada) == {}

    for _ in range(2):  # the second time changes nothing
        assert await tell(crm, projects, ada) == []

        assert await names(projects, ada) == {one: f"Customer {number}" for number, one in enumerate(ids)}
        aliases = await projects.rows(ada.tenant, "select merged_id, survivor_id from customer_alias")
        assert aliases == [{"merged_id": ids[0], "survivor_id": ids[4]}]
    assert await names(projects, bob) == {}, "one tenant's rows were told to another"


async def test_what_happened_before_is_dropped_and_what_happens_afterwards_wins(
    crm: RunningModule, projects: RunningModule
) -> None:
    ada = await crm.new_tenant()
    acme = await a_customer(crm, ada, "Acme")
    await rename(crm, ada, acme, "Acme Ltd")
    await heard(projects, ada, f"Customer/{acme}", 2)
    await come_later(projects, ada, "known_customer")

    await tell(crm, projects, ada)
    await crm.publish(ada.tenant, "customer.updated", "Customer", acme, 2, {"customerId": str(acme), "name": "Old"})
    await rename(crm, ada, acme, "Acme Inc")
    await heard(projects, ada, f"Customer/{acme}", 3)

    assert await names(projects, ada) == {acme: "Acme Inc"}
    await tell(crm, projects, ada)
    assert await names(projects, ada) == {acme: "Acme Inc"}


async def test_state_older_than_what_was_heard_since_is_passed_over(
    crm: RunningModule, projects: RunningModule
) -> None:
    ada = await crm.new_tenant()
    acme = await a_customer(crm, ada, "Acme")
    assert ada.tenant is not None
    before = await read_state(crm.database, crm.module.states[0], ada.tenant, FIRST)
    await rename(crm, ada, acme, "Acme Ltd")
    await heard(projects, ada, f"Customer/{acme}", 2)

    await keep(projects, ada, before.standings)

    assert await names(projects, ada) == {acme: "Acme Ltd"}


async def test_of_who_was_erased_nobody_is_told_although_the_law_keeps_something(
    hr: RunningModule, projects: RunningModule
) -> None:
    """HR keeps the name of who worked here; elsewhere it was blanked, and must not come back"""
    ada = await hr.new_tenant()
    async with hr.transaction(ada) as tx:
        sales = tx.add(Department(name="Sales"))
        made = {"department_id": sales.id, "hired_on": date(2026, 1, 1)}
        people = [Employee(employee_number=f"E-{name}", full_name=name, **made) for name in ("Bo", "Cy")]
        bo, cy = (tx.add(one).id for one in people)
        tx.publish(*(one.hired() for one in people))
    for one in (bo, cy):
        await heard(projects, ada, f"Employee/{one}", 1)
    request = UUID(int=7)
    erasure = {"privacyRequestId": str(request), "round": 1, "ids": [str(cy)], "emails": []}
    await hr.publish(ada.tenant, "privacy.erasure.requested", "PrivacyRequest", request, 1, erasure)
    for module in (hr, projects):
        await heard(module, ada, f"PrivacyRequest/{request}", 1)
    await come_later(projects, ada, "known_employee")

    assert await tell(hr, projects, ada) == []

    assert await hr.rows(ada.tenant, "select full_name from employee where id = $1", cy) == [{"full_name": "Cy"}]
    rows = await projects.rows(ada.tenant, "select employee_id, full_name from known_employee")
    assert rows == [{"employee_id": bo, "full_name": "Bo"}]


async def test_of_an_employee_also_what_lies_before_the_events_that_were_heard_is_told(
    hr: RunningModule, projects: RunningModule
) -> None:
    """Hired three months ago, gone last week: the stream has only the end, and the inbox stands there"""
    ada = await hr.new_tenant()
    async with hr.transaction(ada) as tx:
        sales = tx.add(Department(name="Sales"))
        people = [
            Employee(
                employee_number=f"E-{name}", full_name=name, department_id=sales.id, hired_on=date(2026, 1, 1), **more
            )
            for name, more in (("Bo", {}), ("Cy", {"status": "CANDIDATE"}))
        ]
        bo, cy = (tx.add(one).id for one in people)
        tx.publish(people[0].hired())
    await hr.command(ada, "terminateEmployee", "employee { id }", employeeId=str(bo), leftOn="2026-06-30")
    await heard(projects, ada, f"Employee/{bo}", 2)
    async with projects.transaction(ada) as tx:
        await tx.session.execute(text("update known_employee set full_name = null, left_on = null"))

    assert await tell(hr, projects, ada) == []

    rows = await projects.rows(ada.tenant, "select employee_id, full_name, left_on from known_employee")
    assert rows == [{"employee_id": bo, "full_name": "Bo", "left_on": date(2026, 6, 30)}], f"{cy} is a candidate"


async def test_a_module_that_dies_in_the_middle_is_told_the_rest_the_next_time(
    crm: RunningModule, projects: RunningModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "_TOGETHER", 2)
    ada = await crm.new_tenant()
    ids = [await a_customer(crm, ada, f"Customer {number}") for number in range(5)]
    for one in ids:
        await heard(projects, ada, f"Customer/{one}", 1)
    await come_later(projects, ada, "known_customer")
    created = projects.module.kept["customer.created"]

    async def die(tx: Any, event: Any) -> None:
        await created.handler(tx, event)
        if event.customer_id == ids[3]:
            await tx.fetch("select pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(Exception, match=r"terminat|closed"):
        await tell(crm, projects, ada, {**projects.module.kept, "customer.created": replace(created, handler=die)})
    assert set(await names(projects, ada)) == set(ids[:2])

    assert await tell(crm, projects, ada) == []
    assert await names(projects, ada) == {one: f"Customer {number}" for number, one in enumerate(ids)}


async def test_a_row_that_cannot_be_told_of_keeps_no_other_back(crm: RunningModule, projects: RunningModule) -> None:
    ada = await crm.new_tenant()
    ids = [await a_customer(crm, ada, f"Customer {number}") for number in range(4)]
    for one in ids:
        await heard(projects, ada, f"Customer/{one}", 1)
    await come_later(projects, ada, "known_customer")
    created = projects.module.kept["customer.created"]

    async def refuse(tx: Any, event: Any) -> None:
        if event.customer_id == ids[1]:
            raise ValueError("not this one")
        await created.handler(tx, event)

    async with projects.transaction(ada) as tx:
        parked = text("update kit.inbox_key set parked = true where key = :key")
        await tx.session.execute(parked, {"key": f"Customer/{ids[2]}"})
    kept = {**projects.module.kept, "customer.created": replace(created, handler=refuse)}

    assert await tell(crm, projects, ada, kept) == [
        Untold(f"Customer/{ids[1]}", "ValueError: not this one"),
        Untold(f"Customer/{ids[2]}", "an event of it is parked: replay or skip it first"),
    ]
    assert set(await names(projects, ada)) == {ids[0], ids[3]}
    assert await position(projects, ada, f"Customer/{ids[1]}") == 0


async def test_what_is_no_copy_is_not_told_again(crm: RunningModule, start_module: Starter) -> None:
    """A deal that was won drafts its invoice once in its life; a customer's draft follows the customer"""
    invoicing = await start_module("invoicing")
    ada = await crm.new_tenant()
    acme = await a_customer(crm, ada, "Acme")
    deal = {"customerId": str(acme), "title": "Site", "amount": {"amount": "100.00", "currency": "CNY"}}
    deal_id = (await crm.command(ada, "openDeal", "deal { id }", **deal))["deal"]["id"]
    await crm.command(ada, "closeDealWon", "deal { id }", dealId=deal_id)
    await heard(invoicing, ada, f"Deal/{deal_id}", 1)
    await rename(crm, ada, acme, "Acme Ltd")
    await heard(invoicing, ada, f"Customer/{acme}", 3)
    await come_later(invoicing, ada)
    async with invoicing.transaction(ada) as tx:
        await tx.session.execute(text("update invoice set bill_to = jsonb_set(bill_to, '{name}', '\"Acme\"')"))

    assert await tell(crm, invoicing, ada) == []

    (invoice,) = await invoicing.rows(ada.tenant, "select bill_to ->> 'name' as name from invoice")
    assert invoice["name"] == "Acme Ltd"


async def test_tax_rates_of_long_ago_are_kept(start_module: Starter) -> None:
    tax, invoicing = await start_module("tax"), await start_module("invoicing")
    ada = await tax.new_tenant()
    first = {"code": "VAT", "ratePct": "13", "validFrom": "2025-01-01"}
    code = (await tax.command(ada, "defineTaxCode", "taxCode { id }", **first))["taxCode"]["id"]
    given = {"taxCodeId": code, "ratePct": "9", "validFrom": "2026-01-01"}
    await tax.command(ada, "changeTaxRate", "taxCode { id }", **given)
    await heard(invoicing, ada, f"TaxRate/{code}", 2)
    kept = "select tax_code_id, code, rate_pct, valid_from from known_tax_rate order by valid_from"
    before = await invoicing.rows(ada.tenant, kept)
    await come_later(invoicing, ada, "known_tax_rate")

    assert await tell(tax, invoicing, ada) == []

    assert [str(row["tax_code_id"]) for row in before] == [code, code]
    assert await invoicing.rows(ada.tenant, kept) == before
    assert await position(invoicing, ada, f"TaxRate/{code}") == 2


@pytest.fixture
def task(postgres_admin_url: str, platform_folders: Folders) -> Task:
    """What the supervisor orders: tell Projects."""
    return Task(postgres_admin_url, "", str(platform_folders.secrets), Operate("tell_state", "projects"))


async def test_a_portion_goes_on_where_the_one_before_it_ended(
    crm: RunningModule, projects: RunningModule, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "_PAGE", 2)
    ada, bob = await crm.new_tenant(), await crm.new_tenant()
    ids = {await a_customer(crm, who, f"Customer {number}") for number in range(3) for who in (ada, bob)}
    kept = {"customer.created": projects.module.kept["customer.created"]}

    async def only_these(_urls: Any) -> list[Any]:
        return [ada.tenant, bob.tenant]

    monkeypatch.setattr(telling, "known_tenants", only_these)

    whole = [page async for page in pages(task, kept, Place())]
    told = [event.subject for page in whole for one in page.standings for event in one.events[:1]]
    assert set(told) == ids
    assert len(told) == len(ids)
    for at, page in enumerate(whole):
        assert [one async for one in pages(task, kept, page.place)] == whole[at + 1 :]


async def test_nothing_is_told_to_a_module_that_is_at_work(
    projects: RunningModule, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "_LEASE_S", 0.2)

    with pytest.raises(ModuleAtWork, match="mewayz stop projects"):
        await tell_state(task)
