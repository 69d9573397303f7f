"""Projects from the won deal to the billed hour, as their commands and handlers do it."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from shared.clock import SystemClock, new_id
from shared.wire.principal import Principal
from tests.modules import RunningModule, Starter, until

pytestmark = pytest.mark.anyio
PROJECT = "project { id code name status billing customerId dealId startsOn tasks { title dueOn } milestones { title billAmount { amount } } }"
TASK = "projectTask { id title status progressPct assigneeId }"
ENTRY = "timeEntry { id status hours hourlyRate { amount currency } }"
ENTRIES = "timeEntries { id status hourlyRate { amount } }"
BATCH = "billableBatch { id reference status lineCount total { amount currency } lines { sourceKey quantity amount { amount } } }"


@pytest.fixture
async def projects(start_module: Starter) -> RunningModule:
    return await start_module("projects")


def some_id() -> str:
    return str(new_id(SystemClock().now()))


async def done(projects: RunningModule, who: Principal, name: str, selection: str, /, **arguments: Any) -> Any:
    payload = await projects.command(who, name, selection, **arguments)
    assert payload["userErrors"] == []
    return payload[selection.split(" ", 1)[0]]


async def code(projects: RunningModule, who: Principal, name: str, selection: str, /, **arguments: Any) -> str | None:
    errors = (await projects.command(who, name, selection, **arguments))["userErrors"]
    return errors[0]["code"] if errors else None


def worker(ada: Principal) -> Principal:
    """Return a colleague of Ada's, who has an employee id."""
    return msgspec.structs.replace(ada, user=UUID(some_id()), employee=UUID(some_id()))


async def a_project(projects: RunningModule, who: Principal, **more: Any) -> str:
    given = {
        "name": "Website",
        "billing": "TIME_MATERIAL",
        "hourlyRate": {"amount": "800", "currency": "CNY"},
        "startsOn": "2026-01-05",
        **more,
    }
    return (await done(projects, who, "openProject", PROJECT, **given))["id"]


async def hours(projects: RunningModule, who: Principal, project: str, number: str, on: str, **more: Any) -> str:
    entry = await done(
        projects, who, "logTime", ENTRY, projectId=project, workedOn=on, hours=number, note="Layout", **more
    )
    return entry["id"]


async def approved(projects: RunningModule, boss: Principal, who: Principal, week: str) -> list[str]:
    submitted = await done(projects, who, "submitTimesheet", ENTRIES, weekStart=week)
    ids = [entry["id"] for entry in submitted]
    await done(projects, boss, "approveTime", ENTRIES, ids=ids)
    return ids


async def batch(projects: RunningModule, who: Principal, project: str, up_to: str = "2030-01-01") -> Any:
    return await done(projects, who, "prepareBillableBatch", BATCH, projectId=project, upTo=up_to)


async def test_a_project_gets_a_code_of_its_own(projects: RunningModule) -> None:
    """PRJ-1"""
    ada = await projects.new_tenant()

    await a_project(projects, ada)
    again = await done(projects, ada, "openProject", PROJECT, name="Second", billing="FIXED_PRICE")
    taken = await code(projects, ada, "openProject", PROJECT, name="Third", billing="FIXED_PRICE", code=again["code"])

    assert again["code"] == "P-0002"
    assert taken == "VALIDATION"
    told = await projects.outgoing(ada.tenant, "project.created")
    assert [event["data"]["code"] for event in told] == ["P-0001", "P-0002"]


async def test_a_delivery_deal_opens_one_project_by_its_template(projects: RunningModule) -> None:
    ada = await projects.new_tenant()
    await done(
        projects,
        ada,
        "defineProjectTemplate",
        "projectTemplate { id }",
        name="website",
        billing="MILESTONE",
        tasks=[{"title": "Kick-off", "offsetDays": 3}],
        milestones=[{"title": "Launch", "billPct": "40"}],
    )
    deal, customer = some_id(), some_id()
    won = {
        "dealId": deal,
        "closingNo": 1,
        "title": "Brand refresh",
        "customerId": customer,
        "customerName": "Acme",
        "amount": {"amount": "24000.00", "currency": "CNY"},
        "closedOn": "2026-03-10",
        "deliveryTemplate": "website",
    }

    for sequence, changed in enumerate(({}, {}, {"dealId": some_id(), "deliveryTemplate": None}), start=1):
        await projects.publish(ada.tenant, "deal.close.won", "Deal", UUID(deal), sequence, {**won, **changed})

    async def heard() -> bool:
        seen = "select last_sequence from kit.inbox_key where key like 'Deal/%'"
        return [row["last_sequence"] for row in await projects.rows(ada.tenant, seen)] == [3]

    await until(heard)
    query = f"query($of: [_Any!]!) {{ _entities(representations: $of) {{ ... on Deal {{ projects {{ {PROJECT[10:-2]} }} }} }} }}"
    answer = await projects.execute(ada, query, of=[{"__typename": "Deal", "id": deal}])
    assert answer.errors == []
    (project,) = answer.data["_entities"][0]["projects"]
    assert (project["name"], project["billing"], project["customerId"]) == ("Brand refresh", "MILESTONE", customer)
    assert project["tasks"] == [{"title": "Kick-off", "dueOn": "2026-03-13"}]
    assert project["milestones"] == [{"title": "Launch", "billAmount": {"amount": "9600.00"}}]
    assert len(await projects.rows(ada.tenant, "select 1 from project")) == 1


async def test_a_task_begins_when_what_it_waits_for_is_done(projects: RunningModule) -> None:
    ada = await projects.new_tenant()
    project = await a_project(projects, ada, wipLimit=1)
    first = await done(projects, ada, "addTask", TASK, projectId=project, title="Design")
    waits = [{"predecessorId": first["id"]}]
    second = await done(projects, ada, "addTask", TASK, projectId=project, title="Build", waitsFor=waits)

    begin = {"taskId": second["id"], "status": "IN_PROGRESS"}
    assert await code(projects, ada, "moveTask", TASK, **begin) == "DEPENDENCY_OPEN"
    circle = {"taskId": first["id"], "dependency": {"predecessorId": second["id"]}}
    assert await code(projects, ada, "linkTasks", TASK, **circle) == "VALIDATION"
    finished = await done(projects, ada, "completeTask", TASK, taskId=first["id"])
    await done(projects, ada, "moveTask", TASK, **begin)
    third = await done(projects, ada, "addTask", TASK, projectId=project, title="Test")

    assert finished["progressPct"] == 100
    assert await code(projects, ada, "moveTask", TASK, taskId=third["id"], status="IN_PROGRESS") == "WIP_LIMIT"
    assert len(await projects.outgoing(ada.tenant, "task.completed")) == 1


async def test_a_day_holds_24_hours_over_all_projects(projects: RunningModule) -> None:
    """PRJ-3"""
    ada = await projects.new_tenant()
    bo = worker(ada)
    one, two = await a_project(projects, ada), await a_project(projects, ada)
    await hours(projects, bo, one, "20", "2026-03-02")

    late = {"projectId": two, "workedOn": "2026-03-02", "note": "More"}
    assert await code(projects, bo, "logTime", ENTRY, hours="4.5", **late) == "DAY_FULL"
    assert await code(projects, bo, "logTime", ENTRY, hours="0", **late) == "VALIDATION"
    assert await code(projects, bo, "logTime", ENTRY, hours="4", **late) is None
    assert await code(projects, worker(ada), "logTime", ENTRY, hours="24", **late) is None


async def test_a_day_holds_24_hours_also_for_entries_of_the_same_moment(projects: RunningModule) -> None:
    """PRJ-3"""
    ada = await projects.new_tenant()
    bo = worker(ada)
    places = [await a_project(projects, ada) for _ in range(4)]
    entry = {"workedOn": "2026-03-02", "hours": "10", "note": "Rush"}

    codes = await asyncio.gather(
        *(code(projects, bo, "logTime", ENTRY, projectId=project, **entry) for project in places)
    )

    assert sorted(codes, key=str) == ["DAY_FULL", "DAY_FULL", None, None]


async def test_a_site_that_is_handed_over_completes_its_project_or_says_why_not(projects: RunningModule) -> None:
    ada = await projects.new_tenant()
    bo = worker(ada)
    ready, waiting = await a_project(projects, ada), await a_project(projects, ada)
    await hours(projects, bo, waiting, "1", "2026-03-02")
    await done(projects, bo, "submitTimesheet", ENTRIES, weekStart="2026-03-02")

    for project in (ready, waiting):
        site = {"constructionSiteId": some_id(), "projectId": project, "handedOverOn": "2026-06-30"}
        await projects.publish(ada.tenant, "site.handed_over", "Site", UUID(site["constructionSiteId"]), 1, site)

    async def heard() -> bool:
        done_ = await projects.rows(ada.tenant, "select 1 from project where status = 'COMPLETED'")
        return bool(done_ and await projects.rows(ada.tenant, "select 1 from project_notice"))

    await until(heard)
    answer = await projects.execute(ada, f'{{ project(id: "{waiting}") {{ status notices {{ text }} }} }}')
    assert answer.data["project"]["status"] == "ACTIVE"
    assert "waits for approval" in answer.data["project"]["notices"][0]["text"]


async def test_members_log_their_own_time_only(projects: RunningModule) -> None:
    ada = await projects.new_tenant()
    project = await a_project(projects, ada)
    member = msgspec.structs.replace(worker(ada), permissions=("projects.*@own", "projects.project.read"))

    query = "mutation($input: LogTimeInput!) { logTime(input: $input) { userErrors { code } } }"
    logged = {"projectId": project, "workedOn": "2026-03-02", "hours": "1", "note": "Own"}
    own = await projects.execute(member, query, input=logged)
    other = await projects.execute(member, query, input={**logged, "employeeId": some_id()})

    assert own.errors == []
    assert other.errors[0]["extensions"]["code"] == "FORBIDDEN"


async def test_an_approved_week_is_locked_until_an_entry_is_rejected(projects: RunningModule) -> None:
    """PRJ-3, PRJ-4"""
    ada = await projects.new_tenant()
    bo = worker(ada)
    project = await a_project(projects, ada)
    await hours(projects, bo, project, "8", "2026-03-02")
    (entry,) = await approved(projects, ada, bo, "2026-03-04")

    more = {"projectId": project, "workedOn": "2026-03-06", "hours": "1", "note": "Late"}
    assert await code(projects, bo, "logTime", ENTRY, **more) == "WEEK_LOCKED"
    await done(projects, ada, "rejectTime", ENTRIES, ids=[entry], reason="Too many")
    assert await code(projects, bo, "logTime", ENTRY, **more) is None
    redone = await done(
        projects,
        bo,
        "logTime",
        ENTRY,
        projectId=project,
        workedOn="2026-03-02",
        hours="7",
        note="Less",
        timeEntryId=entry,
    )
    assert (redone["id"], redone["status"]) == (entry, "DRAFT")
    told = await projects.outgoing(ada.tenant, "time.entry.submitted")
    assert told[0]["data"]["weekStart"] == "2026-03-02"


async def test_nobody_approves_their_own_time_unless_alone(projects: RunningModule) -> None:
    """PRJ-8"""
    ada = await projects.new_tenant()
    alone, project = worker(ada), await a_project(projects, ada)
    await hours(projects, alone, project, "2", "2026-03-02")
    await approved(projects, alone, alone, "2026-03-02")

    await hours(projects, worker(ada), project, "2", "2026-03-09")
    mine = await hours(projects, alone, project, "2", "2026-03-09")
    await done(projects, alone, "submitTimesheet", ENTRIES, weekStart="2026-03-09")

    assert await code(projects, alone, "approveTime", ENTRIES, ids=[mine]) == "SELF_APPROVAL"


async def test_billable_time_without_a_rate_is_not_approved(projects: RunningModule) -> None:
    """PRJ-5"""
    ada = await projects.new_tenant()
    bo = worker(ada)
    project = await a_project(projects, ada, hourlyRate=None)
    entry = await hours(projects, bo, project, "2", "2026-03-02")
    await done(projects, bo, "submitTimesheet", ENTRIES, weekStart="2026-03-02")

    assert await code(projects, ada, "approveTime", ENTRIES, ids=[entry]) == "RATE_MISSING"
    rate = {"hourlyRate": {"amount": "650", "currency": "CNY"}, "employeeId": str(bo.employee), "from": "2026-01-01"}
    await done(projects, ada, "defineProjectRate", "projectRate { id }", **rate)
    (approved_entry,) = await done(projects, ada, "approveTime", ENTRIES, ids=[entry])

    assert approved_entry["hourlyRate"]["amount"] == "650.00"
    (event,) = await projects.outgoing(ada.tenant, "time.entry.approved")
    assert event["data"]["hourlyRate"] == {"amount": "650.00", "currency": "CNY"}


async def test_approved_time_goes_into_one_batch_and_out_when_its_invoice_is_voided(projects: RunningModule) -> None:
    """PRJ-4, PRJ-6, PRJ-7"""
    ada = await projects.new_tenant()
    bo = worker(ada)
    customer = some_id()
    await projects.publish(
        ada.tenant, "customer.created", "Customer", UUID(customer), 1, {"customerId": customer, "name": "Acme"}
    )

    async def known() -> bool:
        return bool(await projects.rows(ada.tenant, "select 1 from known_customer"))

    await until(known)
    project = await a_project(projects, ada, customerId=customer)
    await hours(projects, bo, project, "1.5", "2026-03-02")
    await hours(projects, bo, project, "2", "2026-03-03", billable=False)
    await approved(projects, ada, bo, "2026-03-02")

    first = await batch(projects, ada, project)
    empty = await code(projects, ada, "prepareBillableBatch", BATCH, projectId=project, upTo="2030-01-01")
    assert (first["reference"], first["lineCount"], first["total"]["amount"]) == ("P-0001-B1", 1, "1200.00")
    assert empty == "NOTHING_TO_BILL"
    (event,) = await projects.outgoing(ada.tenant, "billable.batch.ready")
    assert event["data"]["sourceKey"] == f"batch:{first['id']}"
    assert event["data"]["customerName"] == "Acme"
    assert event["data"]["lines"][0]["net"] == {"amount": "1200.00", "currency": "CNY"}

    invoice = some_id()
    issued = {"invoiceId": invoice, "sourceKey": f"batch:{first['id']}"}
    await projects.publish(ada.tenant, "invoice.drafted", "Invoice", UUID(invoice), 1, issued)
    await until(lambda: _statuses(projects, ada, "SENT", "APPROVED"))
    await projects.publish(ada.tenant, "invoice.issued", "Invoice", UUID(invoice), 2, issued)
    await until(lambda: _statuses(projects, ada, "INVOICED", "BILLED"))
    await projects.publish(ada.tenant, "invoice.voided", "Invoice", UUID(invoice), 3, issued)
    await until(lambda: _statuses(projects, ada, "CANCELLED", "APPROVED"))
    second = await batch(projects, ada, project)

    assert second["reference"] == "P-0001-B2"
    assert second["total"]["amount"] == "1200.00"


async def _statuses(projects: RunningModule, who: Principal, batch: str, entry: str) -> bool:
    rows = await projects.rows(
        who.tenant,
        "select b.status as batch, (select status from time_entry e where e.billable) as entry from billable_batch b",
    )
    return [(row["batch"], row["entry"]) for row in rows] == [(batch, entry)]


async def test_a_credit_note_in_full_frees_the_time_even_before_the_issue_is_heard(projects: RunningModule) -> None:
    ada = await projects.new_tenant()
    bo = worker(ada)
    project = await a_project(projects, ada)
    await hours(projects, bo, project, "1", "2026-03-02")
    await approved(projects, ada, bo, "2026-03-02")
    made = await batch(projects, ada, project)
    key, invoice, note = f"batch:{made['id']}", some_id(), some_id()

    credited = {"invoiceSourceKey": key, "reason": "CANCELLATION", "fullyCredited": True}
    await projects.publish(ada.tenant, "credit_note.issued", "CreditNote", UUID(note), 1, credited)
    await until(lambda: _statuses(projects, ada, "CANCELLED", "APPROVED"))
    await projects.publish(ada.tenant, "invoice.issued", "Invoice", UUID(invoice), 1, {"sourceKey": key})

    async def heard() -> bool:
        return bool(await projects.rows(ada.tenant, "select 1 from kit.inbox_key where key like 'Invoice/%'"))

    await until(heard)
    assert await _statuses(projects, ada, "CANCELLED", "APPROVED")


async def test_billed_time_is_corrected_by_a_negative_entry(projects: RunningModule) -> None:
    """PRJ-4"""
    ada = await projects.new_tenant()
    bo = worker(ada)
    project = await a_project(projects, ada)
    entry = await hours(projects, bo, project, "3", "2026-03-02")
    await approved(projects, ada, bo, "2026-03-02")
    correction = {"projectId": project, "workedOn": "2026-03-02", "note": "Too much", "correctsId": entry}

    assert await code(projects, bo, "logTime", ENTRY, hours="-1", **correction) == "ILLEGAL_STATE"
    made = await batch(projects, ada, project)
    invoice = some_id()
    await projects.publish(
        ada.tenant, "invoice.issued", "Invoice", UUID(invoice), 1, {"sourceKey": f"batch:{made['id']}"}
    )
    await until(lambda: _statuses(projects, ada, "INVOICED", "BILLED"))

    assert await code(projects, ada, "rejectTime", ENTRIES, ids=[entry], reason="No") == "ILLEGAL_STATE"
    assert await code(projects, bo, "logTime", ENTRY, hours="-4", **correction) == "VALIDATION"
    assert await code(projects, bo, "logTime", ENTRY, hours="-1", **correction) is None
    await approved(projects, ada, bo, "2026-03-02")
    assert (await batch(projects, ada, project))["total"]["amount"] == "-800.00"


async def test_a_fixed_price_bills_reached_milestones_only(projects: RunningModule) -> None:
    """PRJ-7"""
    ada = await projects.new_tenant()
    bo = worker(ada)
    value = {"amount": "1000", "currency": "CNY"}
    project = await a_project(projects, ada, billing="FIXED_PRICE", contractValue=value)
    milestone = "projectMilestone { id billed }"
    half = {"projectId": project, "title": "Half", "billAmount": {"amount": "500", "currency": "CNY"}}
    made = await done(projects, ada, "addMilestone", milestone, **half)
    await done(projects, ada, "addMilestone", milestone, **half)
    assert await code(projects, ada, "addMilestone", milestone, **half) == "OVER_CONTRACT_VALUE"
    await hours(projects, bo, project, "3", "2026-03-02")
    await approved(projects, ada, bo, "2026-03-02")

    await done(projects, ada, "reachMilestone", milestone, milestoneId=made["id"])
    billed = await batch(projects, ada, project)

    assert await code(projects, ada, "reachMilestone", milestone, milestoneId=made["id"]) == "ILLEGAL_STATE"
    assert [line["sourceKey"] for line in billed["lines"]] == [f"milestone:{made['id']}"]
    (event,) = await projects.outgoing(ada.tenant, "milestone.reached")
    assert event["data"]["billAmount"] == {"amount": "500.00", "currency": "CNY"}


async def test_a_project_is_completed_without_open_tasks_or_pending_time(projects: RunningModule) -> None:
    """PRJ-9"""
    ada = await projects.new_tenant()
    bo = worker(ada)
    project = await a_project(projects, ada)
    await done(projects, ada, "addTask", TASK, projectId=project, title="Open")
    await hours(projects, bo, project, "2", "2026-03-02")
    submitted = await done(projects, bo, "submitTimesheet", ENTRIES, weekStart="2026-03-02")

    assert await code(projects, ada, "completeProject", PROJECT, projectId=project) == "OPEN_TASKS"
    assert await code(projects, ada, "completeProject", PROJECT, projectId=project, force=True) == "TIME_PENDING"
    await done(projects, ada, "approveTime", ENTRIES, ids=[submitted[0]["id"]])
    completed = await done(projects, ada, "completeProject", PROJECT, projectId=project, force=True)

    assert completed["status"] == "COMPLETED"
    (event,) = await projects.outgoing(ada.tenant, "project.completed")
    assert Decimal(event["data"]["approvedHours"]) == 2
    late = {"projectId": project, "workedOn": "2026-03-12", "hours": "1", "note": "Late"}
    assert await code(projects, bo, "logTime", ENTRY, **late) == "PROJECT_CLOSED"


async def test_cancelling_unbilled_time_must_be_confirmed(projects: RunningModule) -> None:
    ada = await projects.new_tenant()
    bo = worker(ada)
    project = await a_project(projects, ada)
    await hours(projects, bo, project, "2", "2026-03-02")
    await approved(projects, ada, bo, "2026-03-02")

    cancel = {"projectId": project, "reason": "No budget"}
    assert await code(projects, ada, "cancelProject", PROJECT, **cancel) == "UNBILLED_TIME"
    assert (await done(projects, ada, "cancelProject", PROJECT, confirmed=True, **cancel))["status"] == "CANCELLED"


async def test_a_customer_shows_the_projects_of_both_after_a_merge_latest_activity_first(
    projects: RunningModule,
) -> None:
    ada = await projects.new_tenant()
    kept, gone = some_id(), some_id()
    first = await a_project(projects, ada, customerId=gone, name="First")
    await a_project(projects, ada, customerId=kept, name="Second")
    await projects.publish(
        ada.tenant, "customer.merged", "Customer", UUID(kept), 1, {"survivorId": kept, "mergedId": gone}
    )

    async def merged() -> bool:
        rows = await projects.rows(ada.tenant, "select distinct customer_id from project")
        return [row["customer_id"] for row in rows] == [UUID(kept)]

    await until(merged)
    await hours(projects, worker(ada), first, "1", "2026-03-02")
    query = (
        "query($of: [_Any!]!) { _entities(representations: $of) { ... on Customer { projects(first: 3) { name } } } }"
    )
    answer = await projects.execute(ada, query, of=[{"__typename": "Customer", "id": kept}])

    assert [project["name"] for project in answer.data["_entities"][0]["projects"]] == ["First", "Second"]


async def test_a_leavers_tasks_and_tasks_due_in_an_absence_are_noticed_once(projects: RunningModule) -> None:
    ada = await projects.new_tenant()
    person = some_id()
    project = await a_project(projects, ada)
    task = {"projectId": project, "assigneeId": person, "dueOn": "2026-03-12"}
    await done(projects, ada, "addTask", TASK, title="Near", **task)
    await done(projects, ada, "addTask", TASK, title="Far", **{**task, "dueOn": "2026-05-01"})

    hired = {"employeeId": person, "fullName": "Bo Lin", "managerId": None}
    await projects.publish(ada.tenant, "employee.hired", "Employee", UUID(person), 1, hired)
    leave = {"leaveRequestId": some_id(), "employeeId": person, "startsOn": "2026-03-10", "endsOn": "2026-03-20"}
    for sequence in (1, 2):
        await projects.publish(
            ada.tenant, "leave.approved", "LeaveRequest", UUID(leave["leaveRequestId"]), sequence, leave
        )
    left = {"employeeId": person, "userId": None, "leftOn": "2026-06-30"}
    await projects.publish(ada.tenant, "employee.terminated", "Employee", UUID(person), 2, left)

    async def noticed() -> bool:
        return len(await projects.rows(ada.tenant, "select 1 from project_notice")) == 3

    await until(noticed)
    answer = await projects.execute(ada, f'{{ project(id: "{project}") {{ notices {{ text employeeId }} }} }}')
    texts = sorted(notice["text"] for notice in answer.data["project"]["notices"])
    assert any(text.startswith("Near: ") and "2026-03-10" in text for text in texts)
    assert sum("2026-06-30" in text for text in texts) == 2

    async def leaving_dates() -> set[str]:
        rows = await projects.rows(ada.tenant, "select text from project_notice where source_key like 'leaver:%'")
        return {row["text"][-10:] for row in rows}

    async def later() -> bool:
        return await leaving_dates() == {"2026-07-31"}

    async def never() -> bool:
        return await leaving_dates() == set()

    for sequence, leaves_on, told in ((3, "2026-07-31", later), (4, None, never)):  # HR-15: told again, withdrawn
        again = {**left, "leftOn": leaves_on}
        await projects.publish(ada.tenant, "employee.terminated", "Employee", UUID(person), sequence, again)
        await until(told)
    query = "query($of: [_Any!]!) { _entities(representations: $of) { ... on Employee { tasks { title } } } }"
    shown = await projects.execute(ada, query, of=[{"__typename": "Employee", "id": person}])
    assert [task["title"] for task in shown.data["_entities"][0]["tasks"]] == ["Near", "Far"]


async def test_someone_taken_back_works_here_again(projects: RunningModule) -> None:
    """A new employment on the same record ends with no day that an earlier one had (HR-1)"""
    ada = await projects.new_tenant()
    person = UUID(some_id())
    hired = {"employeeId": str(person), "fullName": "Bo", "managerId": None}
    left = {"employeeId": str(person), "userId": None, "leftOn": "2026-06-30"}
    for sequence, (event_type, data) in enumerate(
        (("employee.hired", hired), ("employee.terminated", left), ("employee.hired", {**hired, "fullName": "Bo Li"}))
    ):
        await projects.publish(ada.tenant, event_type, "Employee", person, sequence + 1, data)

    async def here() -> bool:
        rows = await projects.rows(ada.tenant, "select full_name, left_on from known_employee")
        return rows == [{"full_name": "Bo Li", "left_on": None}]

    await until(here)


async def test_the_reports_and_the_card_add_up(projects: RunningModule) -> None:
    ada = await projects.new_tenant()
    bo = worker(ada)
    value = {"amount": "5000", "currency": "CNY"}
    project = await a_project(projects, ada, budgetHours="10", contractValue=value, dueOn="2030-01-01")
    await done(projects, ada, "addTask", TASK, projectId=project, title="Build", dueOn="2026-03-12")
    await hours(projects, bo, project, "9.5", "2026-03-02")
    await approved(projects, ada, bo, "2026-03-02")

    query = f"""query($of: [_Any!]!) {{
        projectEconomics(id: "{project}") {{ spentHours unbilledHours unbilled {{ amount }} margin {{ amount }} billed {{ amount }} }}
        gantt(projectId: "{project}") {{ title dueOn waitsFor }}
        timesheet(employeeId: "{bo.employee}", weekStart: "2026-03-05") {{ hours status }}
        projectsAtRisk {{ id }}
        _entities(representations: $of) {{ ... on Dashboard {{ projects {{ active atRisk spentHours unbilled {{ amount }} }} }} }}
    }}"""
    answer = await projects.execute(ada, query, of=[{"__typename": "Dashboard", "id": str(ada.tenant)}])

    assert answer.errors == []
    economics = answer.data["projectEconomics"]
    assert (economics["unbilled"], economics["margin"]) == ({"amount": "7600.00"}, {"amount": "-2600.00"})
    assert economics["billed"] is None
    assert answer.data["gantt"] == [{"title": "Build", "dueOn": "2026-03-12", "waitsFor": []}]
    assert [Decimal(entry["hours"]) for entry in answer.data["timesheet"]] == [Decimal("9.5")]
    assert [one["id"] for one in answer.data["projectsAtRisk"]] == [project]
    card = answer.data["_entities"][0]["projects"]
    assert (card["active"], card["atRisk"], card["unbilled"]) == (1, 1, [{"amount": "7600.00"}])
