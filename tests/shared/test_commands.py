"""Commands: one transaction, refusals as data, keys that give the same answer."""

import subprocess
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import msgspec
import pytest

from shared.clock import new_id
from shared.commands.command import command
from shared.commands.idempotency import Answer
from shared.errors import Defect
from shared.events.relay import FORGET
from shared.wire.principal import Principal
from subgraphs.crm.models import Customer
from tests.modules import RunningModule

pytestmark = pytest.mark.anyio
OPEN = "mutation($input: OpenDealInput!) { openDeal(input: $input) { deal { id title } } }"
DEAL = "deal { id status version closingNo title amount { amount currency } }"


async def open_deal(crm: RunningModule, ada: Principal, **more: Any) -> Any:
    customer = await crm.command(ada, "registerCustomer", "customer { id }", name="Acme", currency="CNY")
    arguments = {"title": "Brand refresh", "amount": {"amount": "24000", "currency": "CNY"}, **more}
    opened = await crm.command(ada, "openDeal", DEAL, customerId=customer["customer"]["id"], **arguments)
    assert opened["userErrors"] == []
    return opened["deal"]


@pytest.mark.parametrize("ttl", ["", "h", "1w", "2d"])
def test_a_wrong_time_to_live_is_refused_where_it_is_written(ttl: str) -> None:
    with pytest.raises(Defect, match=r"time to live|can't wait"):
        command("crm.deal.close", queueable=ttl)


async def test_a_won_deal_is_one_event_on_the_stream(crm: RunningModule) -> None:
    """CRM-3"""
    ada = await crm.new_tenant()
    deal = await open_deal(crm, ada)

    won = await crm.command(ada, "closeDealWon", DEAL, dealId=deal["id"], closedOn="2026-03-10")

    assert won["userErrors"] == []
    assert won["deal"]["status"] == "WON"
    assert won["deal"]["amount"] == {"amount": "24000.00", "currency": "CNY"}
    assert won["receipt"]["status"] == "DONE"
    (event,) = await crm.outgoing(ada.tenant, "deal.close.won")
    assert event["data"]["closingNo"] == 1
    assert event["data"]["amount"] == {"amount": "24000.00", "currency": "CNY"}
    assert event["sequence"] == 2
    assert event["actorid"] == str(ada.user)


async def test_a_refusal_is_data_and_leaves_nothing_behind(crm: RunningModule) -> None:
    """CRM-2"""
    ada = await crm.new_tenant()
    deal = await open_deal(crm, ada)
    await crm.command(ada, "closeDealWon", DEAL, dealId=deal["id"])

    again = await crm.command(ada, "closeDealWon", DEAL, dealId=deal["id"])

    assert again["deal"] is None
    assert again["userErrors"][0]["code"] == "DEAL_CLOSED"
    assert again["receipt"]["status"] == "FAILED"
    assert len(await crm.outgoing(ada.tenant, "deal.close.won")) == 1


async def test_the_same_key_and_input_give_the_same_answer_once(crm: RunningModule) -> None:
    ada = await crm.new_tenant()
    deal = await open_deal(crm, ada)
    first = await crm.command(ada, "closeDealWon", DEAL, dealId=deal["id"], idempotencyKey="win-1")
    await crm.command(ada, "reopenDeal", DEAL, dealId=deal["id"], reason="typo")

    second = await crm.command(ada, "closeDealWon", DEAL, dealId=deal["id"], idempotencyKey="win-1")

    assert second == first
    assert len(await crm.outgoing(ada.tenant, "deal.close.won")) == 1


async def test_the_same_key_with_other_input_is_refused(crm: RunningModule) -> None:
    ada = await crm.new_tenant()
    deal = await open_deal(crm, ada)
    await crm.command(ada, "closeDealWon", DEAL, dealId=deal["id"], idempotencyKey="win-1")

    other = await crm.command(
        ada, "closeDealWon", DEAL, dealId=deal["id"], closedOn="2026-03-11", idempotencyKey="win-1"
    )

    assert other["userErrors"][0]["code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_a_refusal_is_remembered_under_its_key_too(crm: RunningModule) -> None:
    ada = await crm.new_tenant()
    deal = await open_deal(crm, ada, amount=None)
    first = await crm.command(ada, "closeDealWon", DEAL, dealId=deal["id"], idempotencyKey="win-1")

    second = await crm.command(ada, "closeDealWon", DEAL, dealId=deal["id"], idempotencyKey="win-1")

    assert first["userErrors"][0]["code"] == "AMOUNT_REQUIRED"
    assert second == first


async def test_a_key_belongs_to_its_user(crm: RunningModule) -> None:
    """security.md, threat 28"""
    ada = await crm.new_tenant()
    bo = Principal(tenant=ada.tenant, user=uuid5(ada.user, "bo"), permissions=("*",))  # pyright: ignore[reportArgumentType]
    deal = await open_deal(crm, ada)
    await crm.command(ada, "closeDealWon", DEAL, dealId=deal["id"], idempotencyKey="k")

    his = await crm.command(bo, "closeDealWon", DEAL, dealId=deal["id"], idempotencyKey="k")

    assert his["userErrors"][0]["code"] == "DEAL_CLOSED"


async def test_an_old_version_is_refused(crm: RunningModule) -> None:
    ada = await crm.new_tenant()
    deal = await open_deal(crm, ada)
    await crm.command(ada, "moveDealToStage", DEAL, dealId=deal["id"], stage="proposal")

    stale = await crm.command(ada, "closeDealWon", DEAL, dealId=deal["id"], expectedVersion=deal["version"])

    assert stale["userErrors"][0]["code"] == "STALE_VERSION"
    assert await crm.outgoing(ada.tenant, "deal.close.won") == []


async def test_a_wrong_input_names_its_field(crm: RunningModule) -> None:
    ada = await crm.new_tenant()

    refused = await crm.command(ada, "registerCustomer", "customer { id }", name="", currency="cny")

    (error,) = refused["userErrors"]
    assert error["code"] == "VALIDATION"
    assert error["field"] in (["name"], ["currency"])


async def test_a_malformed_id_answers_like_an_absent_one(crm: RunningModule) -> None:
    ada = await crm.new_tenant()

    absent = await crm.command(ada, "closeDealWon", DEAL, dealId="01a20d5a-5de5-7bbe-a8fd-fcd019ec1e0a")
    malformed = await crm.command(ada, "closeDealWon", DEAL, dealId="nonsense")

    assert absent["userErrors"][0]["code"] == malformed["userErrors"][0]["code"] == "NOT_FOUND"


async def test_without_the_permission_nothing_happens(crm: RunningModule) -> None:
    ada = await crm.new_tenant()
    deal = await open_deal(crm, ada)
    viewer = Principal(tenant=ada.tenant, user=ada.user, permissions=("crm.*.read", "crm.deal.read"))

    answer = await crm.execute(
        viewer,
        "mutation($id: ID!) { closeDealWon(input: {dealId: $id}) { deal { status } } }",
        id=deal["id"],
    )

    assert answer.errors[0]["extensions"]["code"] == "FORBIDDEN"
    assert await crm.outgoing(ada.tenant, "deal.close.won") == []


async def test_a_row_outside_the_callers_scope_answers_like_an_absent_one(crm: RunningModule) -> None:
    """contracts.md, row scope OWN"""
    ada = await crm.new_tenant()
    deal = await open_deal(crm, ada)
    own = Principal(tenant=ada.tenant, user=ada.user, permissions=("crm.deal.*@own",))

    refused = await crm.command(own, "closeDealWon", "deal { id }", dealId=deal["id"])
    seen = await crm.execute(own, "{ deals { totalCount } }")

    assert refused["userErrors"][0]["code"] == "NOT_FOUND"
    assert seen.data == {"deals": {"totalCount": 0}}


async def test_a_permission_for_some_rows_is_none_for_what_belongs_to_nobody(crm: RunningModule) -> None:
    """contracts.md, row scopes: a contact has no owner, so nobody's own contacts can be written"""
    ada = await crm.new_tenant()
    customer = (await crm.command(ada, "registerCustomer", "customer { id }", name="x", currency="CNY"))["customer"]
    own = Principal(tenant=ada.tenant, user=ada.user, permissions=("crm.*@own",))
    add = "mutation($i: AddContactInput!) { addContact(input: $i) { contact { id } } }"

    refused = await crm.execute(own, add, i={"customerId": customer["id"], "fullName": "Ann"})

    assert [error["extensions"]["code"] for error in refused.errors] == ["FORBIDDEN"]
    assert await crm.rows(ada.tenant, "select 1 from contact") == []


async def test_an_activity_is_planned_for_a_deal_that_one_may_see(crm: RunningModule) -> None:
    """A deal of somebody else's is like none, also for a command that is about something else"""
    ada = await crm.new_tenant()
    deal = await open_deal(crm, ada)
    customer = (await crm.command(ada, "registerCustomer", "customer { id }", name="x", currency="CNY"))["customer"]
    some = ("crm.activity.write", "crm.customer.read", "crm.deal.read@own")
    own = Principal(tenant=ada.tenant, user=new_id(crm.database.clock.now()), permissions=some)
    planned = {"customerId": customer["id"], "summary": "call"}

    answers = [
        await crm.command(own, "scheduleActivity", "salesActivity { id }", **planned, dealId=one)
        for one in (deal["id"], str(UUID(int=7)))
    ]

    assert [answer["userErrors"][0]["code"] for answer in answers] == ["NOT_FOUND", "NOT_FOUND"]
    assert (await crm.command(ada, "scheduleActivity", "salesActivity { id }", **planned, dealId=deal["id"]))[
        "salesActivity"
    ]


async def test_a_command_takes_no_row_that_its_caller_may_not_read(crm: RunningModule) -> None:
    """A colleague's customer is like none; a deal of one's own is won though its customer is a colleague's"""
    ada = await crm.new_tenant()
    customer = (await crm.command(ada, "registerCustomer", "customer { id }", name="x", currency="CNY"))["customer"]
    own = Principal(
        tenant=ada.tenant,
        user=new_id(crm.database.clock.now()),
        employee=new_id(crm.database.clock.now()),
        permissions=("crm.contact.write", "crm.deal.*@own", "crm.customer.read@own"),
    )
    deal = await open_deal(crm, ada, salespersonId=str(own.employee))

    refused, absent = [
        (await crm.command(own, "addContact", "contact { id }", customerId=one, fullName="Bo"))["userErrors"][0]
        for one in (customer["id"], str(UUID(int=7)))
    ]
    won = await crm.command(own, "closeDealWon", "deal { status }", dealId=deal["id"])

    assert refused["code"] == absent["code"] == "NOT_FOUND"
    assert won["deal"] == {"status": "WON"}


async def test_a_salesperson_s_own_activities_are_theirs(crm: RunningModule) -> None:
    ada = await crm.new_tenant()
    customer = (await crm.command(ada, "registerCustomer", "customer { id }", name="x", currency="CNY"))["customer"]
    permissions = ("crm.*@own", "crm.customer.read")
    own = Principal(tenant=ada.tenant, user=new_id(crm.database.clock.now()), permissions=permissions)
    planned = {"customerId": customer["id"], "summary": "call"}
    theirs = (await crm.command(ada, "scheduleActivity", "salesActivity { id }", **planned))["salesActivity"]["id"]

    mine = (await crm.command(own, "scheduleActivity", "salesActivity { id }", **planned))["salesActivity"]["id"]
    seen = await crm.execute(own, "{ salesActivities { nodes { id } } }")
    done = await crm.command(own, "completeActivity", "salesActivity { id }", activityId=mine, outcome="yes")
    foreign = await crm.command(own, "completeActivity", "salesActivity { id }", activityId=theirs, outcome="yes")

    assert seen.data == {"salesActivities": {"nodes": [{"id": mine}]}}
    assert done["userErrors"] == []
    assert [error["code"] for error in foreign["userErrors"]] == ["NOT_FOUND"]


async def test_a_kept_answer_is_not_given_to_who_may_no_longer_see_its_row(crm: RunningModule) -> None:
    """Threat 28: what was lost since counts; what is only handed on does not"""
    ada = await crm.new_tenant()
    employee, colleague = new_id(crm.database.clock.now()), new_id(crm.database.clock.now())
    customer = (await crm.command(ada, "registerCustomer", "customer { id }", name="x", currency="CNY"))["customer"]
    whole, own = [
        Principal(tenant=ada.tenant, user=ada.user, employee=employee, permissions=permissions)
        for permissions in (("crm.*",), ("crm.*@own", "crm.customer.*", "crm.pipeline.*"))
    ]
    opened = {"customerId": customer["id"], "title": "theirs", "amount": {"amount": "5", "currency": "CNY"}}
    opened["salespersonId"] = str(colleague)

    first = await crm.command(whole, "openDeal", "deal { id title }", **opened, idempotencyKey="a")
    narrowed = await crm.execute(own, OPEN, input={**opened, "idempotencyKey": "a"})
    handed_on = await crm.command(own, "openDeal", "deal { id title }", **opened, idempotencyKey="b")

    assert first["deal"]["title"] == "theirs"
    assert [error["extensions"]["code"] for error in narrowed.errors] == ["FORBIDDEN"]
    assert narrowed.data is None
    assert handed_on["deal"]
    assert await crm.command(own, "openDeal", "deal { id title }", **opened, idempotencyKey="b") == handed_on


def test_a_kept_answer_is_the_first_thing_a_new_process_can_give() -> None:
    """A repeated command that met a module just restarted was answered INTERNAL, again and again (bench chaos)"""
    now = datetime.now(UTC)  # noqa: TID251 outside the platform
    customer = Customer(name="Acme")
    customer.id = customer.tenant_id = UUID(int=1)
    customer.version, customer.created_at, customer.updated_at, customer.created_by = 1, now, now, None
    code = (
        "import sys, msgspec\n"
        "from shared.commands.idempotency import Answer\n"
        "from subgraphs.crm.models import Customer\n"
        "print(msgspec.json.decode(sys.stdin.buffer.read(), type=Answer).rows(Customer).name)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], input=msgspec.json.encode(Answer.of(customer)), capture_output=True, check=False
    )

    assert done.stdout.decode().strip() == "Acme", done.stderr.decode()[-2000:]


async def test_what_a_key_answered_is_forgotten_after_a_week_and_demo_keys_stay(crm: RunningModule) -> None:
    """ADR 0022: an answer holds rows as they were, also of people who were erased since; the relay sees no answers"""
    ada = await crm.new_tenant()
    write = "insert into idempotency values ($1, 'a', 'c', $2, '', '{}', clock_timestamp() - make_interval(days => $3))"
    for key, days in (("old", 8), ("young", 6), ("demo:old", 8)):
        await crm.rows(ada.tenant, write, ada.tenant, key, days)

    connection = await asyncpg.connect(crm.urls.relay_url)
    try:
        for statement in FORGET:
            await connection.execute(statement)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("select answer from kit.idempotency")
    finally:
        await connection.close()

    assert [row["key"] for row in await crm.rows(ada.tenant, "select key from idempotency order by key")] == [
        "demo:old",
        "young",
    ]
