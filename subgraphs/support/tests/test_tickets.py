"""Tickets: their states, their clocks, what others hear of them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.clock import SystemClock, new_id
from shared.wire.principal import Principal
from subgraphs.support.models.sweeps import close_silent_tickets, sweep_breaches
from tests.modules import RunningModule, Starter, until

pytestmark = pytest.mark.anyio
TICKET = """ticket { id number title status priority customerId assigneeUserId teamId breached reopenCount minutesWorked
    firstResponseDueAt resolutionDueAt followUpOfId mergedIntoId resolution
    slaTimers { kind status elapsedMinutes dueAt } messages { body authorKind internalNote } }"""


class MovableClock:
    """The real time, plus what the test says."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self.ahead


@pytest.fixture
async def support(start_module: Starter) -> RunningModule:
    return await start_module("support")


@pytest.fixture
def clock(support: RunningModule) -> Any:
    own, movable = support.database.clock, MovableClock()
    support.database.clock = movable
    yield movable
    support.database.clock = own


def some_id() -> str:
    return str(new_id(SystemClock().now()))


async def opened(support: RunningModule, who: Principal, **more: Any) -> Any:
    given = {"title": "Printer on fire", "body": "Help!", "channel": "PORTAL", **more}
    return (await support.command(who, "openTicket", TICKET, **given))["ticket"]


async def act(support: RunningModule, who: Principal, command: str, ticket: Any, **more: Any) -> Any:
    payload = await support.command(who, command, TICKET, ticketId=ticket["id"], **more)
    assert payload["userErrors"] == []
    return payload["ticket"]


async def code(support: RunningModule, who: Principal, command: str, **arguments: Any) -> str:
    payload = await support.command(who, command, "ticket { id }", **arguments)
    return payload["userErrors"][0]["code"]


async def promise(support: RunningModule, who: Principal, priority: str, first: int, resolution: int) -> Any:
    payload = await support.command(
        who,
        "defineSlaPolicy",
        "slaPolicy { id }",
        name=priority,
        priority=priority,
        firstResponseMinutes=first,
        resolutionMinutes=resolution,
    )
    assert payload["userErrors"] == []
    return payload["slaPolicy"]["id"]


def timers(ticket: Any) -> dict[str, str]:
    return {timer["kind"]: timer["status"] for timer in ticket["slaTimers"] if timer["status"] != "CANCELLED"}


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_numbers_of_a_tenant_increase(support: RunningModule) -> None:
    """SUP-1"""
    ada = await support.new_tenant()

    numbers = [(await opened(support, ada))["number"] for _ in range(3)]

    assert numbers == ["T-1", "T-2", "T-3"]


async def test_numbers_differ_also_for_tickets_of_the_same_moment(support: RunningModule) -> None:
    """SUP-1"""
    ada = await support.new_tenant()

    tickets = await asyncio.gather(*(opened(support, ada) for _ in range(8)))

    assert {ticket["number"] for ticket in tickets} == {f"T-{number}" for number in range(1, 9)}


async def test_an_opened_ticket_is_told_with_its_first_message(support: RunningModule) -> None:
    ada = await support.new_tenant()
    customer = some_id()

    ticket = await opened(support, ada, customerId=customer)

    assert ticket["status"] == "NEW"
    assert ticket["messages"] == [{"body": "Help!", "authorKind": "CUSTOMER", "internalNote": False}]
    (event,) = await support.outgoing(ada.tenant, "ticket.opened")
    assert event["data"]["number"] == "T-1"
    assert event["data"]["body"] == "Help!"
    assert event["data"]["customerId"] == customer


async def test_the_first_public_answer_meets_the_first_response(support: RunningModule) -> None:
    """SUP-4"""
    ada = await support.new_tenant()
    await promise(support, ada, "NORMAL", 30, 600)
    ticket = await opened(support, ada)

    noted = await act(support, ada, "addInternalNote", ticket, body="Ask Bo")
    assert timers(noted) == {"FIRST_RESPONSE": "RUNNING", "RESOLUTION": "RUNNING"}
    told = await act(support, ada, "replyTicket", ticket, body="We are on our way", authorKind="SYSTEM")
    assert timers(told)["FIRST_RESPONSE"] == "RUNNING"
    answered = await act(support, ada, "replyTicket", ticket, body="Unplug it")

    assert timers(answered) == {"FIRST_RESPONSE": "MET", "RESOLUTION": "RUNNING"}
    assert answered["status"] == "OPEN"
    heard = await support.outgoing(ada.tenant, "ticket.replied")
    assert [event["data"]["authorKind"] for event in heard] == ["SYSTEM", "AGENT"]


async def test_waiting_for_the_customer_stops_the_resolution_clock_only(
    support: RunningModule, clock: MovableClock
) -> None:
    """SUP-3"""
    ada = await support.new_tenant()
    await promise(support, ada, "NORMAL", 30, 600)
    ticket = await act(support, ada, "assignTicket", await opened(support, ada), userId=str(ada.user))

    waiting = await act(support, ada, "awaitCustomer", ticket)
    assert timers(waiting) == {"FIRST_RESPONSE": "RUNNING", "RESOLUTION": "PAUSED"}
    assert waiting["resolutionDueAt"] is None
    clock.ahead = timedelta(hours=5)
    back = await act(support, ada, "replyTicket", ticket, body="Done", authorKind="CUSTOMER")

    assert back["status"] == "OPEN"
    moved = instant(back["resolutionDueAt"]) - instant(ticket["resolutionDueAt"])
    assert abs(moved - timedelta(hours=5)) < timedelta(seconds=30)
    assert back["firstResponseDueAt"] == ticket["firstResponseDueAt"]


async def test_a_breach_is_told_once_with_its_real_due_time(support: RunningModule, clock: MovableClock) -> None:
    """SUP-5"""
    ada = await support.new_tenant()
    await promise(support, ada, "NORMAL", 30, 600)
    ticket = await opened(support, ada)

    clock.ahead = timedelta(hours=3)
    for _ in range(2):
        async with support.transaction(ada) as tx:
            await sweep_breaches(tx)
    answered = await act(support, ada, "replyTicket", ticket, body="Sorry for the delay")

    assert answered["breached"]
    assert timers(answered) == {"FIRST_RESPONSE": "BREACHED", "RESOLUTION": "RUNNING"}
    assert answered["slaTimers"][-1]["elapsedMinutes"] == 180 or answered["slaTimers"][0]["elapsedMinutes"] == 180
    (event,) = await support.outgoing(ada.tenant, "ticket.sla.breached")
    assert event["data"]["kind"] == "FIRST_RESPONSE"
    assert instant(event["data"]["dueAt"]) == instant(ticket["firstResponseDueAt"])
    assert event["data"]["breachedByMinutes"] == 150


async def test_an_answer_that_comes_too_late_breaches_even_before_a_sweep(
    support: RunningModule, clock: MovableClock
) -> None:
    """SUP-5"""
    ada = await support.new_tenant()
    await promise(support, ada, "NORMAL", 30, 600)
    ticket = await opened(support, ada)

    clock.ahead = timedelta(minutes=31)
    answered = await act(support, ada, "replyTicket", ticket, body="Here we are")

    assert timers(answered)["FIRST_RESPONSE"] == "BREACHED"
    assert len(await support.outgoing(ada.tenant, "ticket.sla.breached")) == 1


async def test_a_new_priority_starts_new_clocks_from_the_opening(support: RunningModule, clock: MovableClock) -> None:
    """SUP-2"""
    ada = await support.new_tenant()
    await promise(support, ada, "NORMAL", 30, 600)
    await promise(support, ada, "URGENT", 10, 120)
    ticket = await opened(support, ada)
    await act(support, ada, "replyTicket", ticket, body="Hello")

    clock.ahead = timedelta(minutes=20)
    urgent = await act(support, ada, "changeTicketPriority", ticket, priority="URGENT")

    assert timers(urgent) == {"FIRST_RESPONSE": "MET", "RESOLUTION": "RUNNING"}
    assert sum(timer["status"] == "CANCELLED" for timer in urgent["slaTimers"]) == 1
    earlier = instant(ticket["resolutionDueAt"]) - instant(urgent["resolutionDueAt"])
    assert earlier == timedelta(minutes=480)


async def test_open_tickets_keep_the_terms_they_were_opened_under(support: RunningModule) -> None:
    """SUP-2"""
    ada = await support.new_tenant()
    policy = await promise(support, ada, "NORMAL", 30, 600)
    ticket = await opened(support, ada)

    changed = await support.command(
        ada,
        "defineSlaPolicy",
        "slaPolicy { id firstResponseMinutes }",
        name="Slower",
        priority="NORMAL",
        firstResponseMinutes=300,
        policyId=policy,
    )
    assert changed["slaPolicy"]["firstResponseMinutes"] == 300
    answer = await support.execute(
        ada,
        f'{{ ticket(id: "{ticket["id"]}") {{ slaTimers {{ kind dueAt policySnapshot {{ firstResponseMinutes }} }} }} }}',
    )

    assert {one["policySnapshot"]["firstResponseMinutes"] for one in answer.data["ticket"]["slaTimers"]} == {30}


async def test_a_priority_has_one_active_policy(support: RunningModule) -> None:
    ada = await support.new_tenant()
    await promise(support, ada, "NORMAL", 30, 600)

    again = await support.command(ada, "defineSlaPolicy", "slaPolicy { id }", name="Twin", priority="NORMAL")

    assert again["userErrors"][0]["code"] == "OVERLAPPING_POLICY"


async def test_a_reopened_ticket_goes_on_with_the_minutes_used(support: RunningModule, clock: MovableClock) -> None:
    """SUP-2"""
    ada = await support.new_tenant()
    await promise(support, ada, "NORMAL", 30, 600)
    ticket = await opened(support, ada)
    await act(support, ada, "replyTicket", ticket, body="Try this")

    clock.ahead = timedelta(minutes=60)
    resolved = await act(support, ada, "resolveTicket", ticket, resolution="Cable", minutesWorked=15)
    assert timers(resolved)["RESOLUTION"] == "MET"
    clock.ahead = timedelta(minutes=160)
    back = await act(support, ada, "replyTicket", ticket, body="Still broken", authorKind="CUSTOMER")
    assert (back["status"], back["reopenCount"]) == ("OPEN", 1)
    assert timers(back)["RESOLUTION"] == "RUNNING"
    clock.ahead = timedelta(minutes=190)
    again = await act(support, ada, "resolveTicket", ticket, resolution="New cable", minutesWorked=5)

    assert again["minutesWorked"] == 20
    told = await support.outgoing(ada.tenant, "ticket.resolved")
    assert [event["data"]["businessMinutes"] for event in told] == [60, 90]
    assert len(await support.outgoing(ada.tenant, "ticket.reopened")) == 1


async def test_only_a_resolved_ticket_is_closed_and_a_closed_one_is_final(support: RunningModule) -> None:
    """SUP-6"""
    ada = await support.new_tenant()
    ticket = await opened(support, ada)

    assert await code(support, ada, "closeTicket", ticketId=ticket["id"]) == "NOT_RESOLVED"
    await act(support, ada, "replyTicket", ticket, body="Hello")
    await act(support, ada, "resolveTicket", ticket, resolution="Done")
    closed = await act(support, ada, "closeTicket", ticket)

    assert closed["status"] == "CLOSED"
    assert await code(support, ada, "replyTicket", ticketId=ticket["id"], body="More") == "TICKET_CLOSED"
    assert await code(support, ada, "reopenTicket", ticketId=ticket["id"]) == "TICKET_CLOSED"
    follow_up = await act(support, ada, "replyTicket", ticket, body="It is back", authorKind="CUSTOMER")
    assert follow_up["followUpOfId"] == ticket["id"]
    assert follow_up["status"] == "NEW"


async def test_72_hours_of_silence_close_a_resolved_ticket(support: RunningModule, clock: MovableClock) -> None:
    """SUP-6"""
    ada = await support.new_tenant()
    ticket = await opened(support, ada)
    await act(support, ada, "replyTicket", ticket, body="Hello")
    await act(support, ada, "resolveTicket", ticket, resolution="Done")

    closed: list[int] = []
    for hours in (71, 73):
        clock.ahead = timedelta(hours=hours)
        async with support.transaction(ada) as tx:
            closed.append(await close_silent_tickets(tx))

    assert closed == [0, 1]
    assert len(await support.outgoing(ada.tenant, "ticket.closed")) == 1


async def test_merging_keeps_the_older_number_and_moves_the_messages(support: RunningModule) -> None:
    """SUP-7"""
    ada = await support.new_tenant()
    customer = some_id()
    older = await opened(support, ada, customerId=customer, body="First")
    newer = await opened(support, ada, customerId=customer, body="Second")
    stranger = await opened(support, ada, customerId=some_id())

    refused = await code(support, ada, "mergeTickets", targetId=older["id"], sourceId=stranger["id"])
    assert refused == "DIFFERENT_CUSTOMERS"
    merged = await support.command(ada, "mergeTickets", TICKET, targetId=newer["id"], sourceId=older["id"])

    assert merged["ticket"]["number"] == older["number"]
    assert [message["body"] for message in merged["ticket"]["messages"]] == ["First", "Second"]
    answer = await support.execute(ada, f'{{ ticket(id: "{newer["id"]}") {{ status mergedInto {{ number }} }} }}')
    assert answer.data["ticket"] == {"status": "CLOSED", "mergedInto": {"number": older["number"]}}


async def test_a_team_ticket_goes_to_a_member_in_turn(support: RunningModule) -> None:
    ada = await support.new_tenant()
    members = [some_id(), some_id()]
    team = await support.command(
        ada, "defineSupportTeam", "supportTeam { id }", name="Desk", memberUserIds=members, routing="ROUND_ROBIN"
    )
    team_id = team["supportTeam"]["id"]
    tickets = [await opened(support, ada) for _ in range(3)]

    stranger = await code(support, ada, "assignTicket", ticketId=tickets[0]["id"], teamId=team_id, userId=some_id())
    assert stranger == "NOT_TEAM_MEMBER"
    assigned = [await act(support, ada, "assignTicket", ticket, teamId=team_id) for ticket in tickets]

    assert [ticket["assigneeUserId"] for ticket in assigned] == [*members, members[0]]
    assert {ticket["status"] for ticket in assigned} == {"OPEN"}


async def test_the_tickets_of_a_deactivated_agent_return_to_the_queue(support: RunningModule) -> None:
    ada = await support.new_tenant()
    agent = some_id()
    open_, done = await opened(support, ada), await opened(support, ada)
    for ticket in (open_, done):
        await act(support, ada, "assignTicket", ticket, userId=agent)
    await act(support, ada, "resolveTicket", done, resolution="Done")

    await support.publish(
        ada.tenant, "user.deactivated", "UserAccount", UUID(agent), 1, {"userId": agent, "email": "a@lumen.example"}
    )

    async def returned() -> bool:
        rows = await support.rows(ada.tenant, "select assignee_user_id from ticket order by number")
        return [row["assignee_user_id"] for row in rows] == [None, UUID(agent)]

    await until(returned)
    last = (await support.outgoing(ada.tenant, "ticket.assigned"))[-1]
    assert last["data"]["assigneeUserId"] is None


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_merges_of_customers_move_tickets_in_any_order(support: RunningModule, order: tuple[int, int]) -> None:
    ada = await support.new_tenant()
    a, b, c = some_id(), some_id(), some_id()
    await opened(support, ada, customerId=a)
    merges = [{"survivorId": b, "mergedId": a}, {"survivorId": c, "mergedId": b}]

    for position in order:
        merge = merges[position]
        await support.publish(ada.tenant, "customer.merged", "Customer", UUID(merge["survivorId"]), 1, merge)

    async def moved() -> bool:
        rows = await support.rows(ada.tenant, "select customer_id from ticket")
        return [row["customer_id"] for row in rows] == [UUID(c)]

    await until(moved)
    late = await opened(support, ada, customerId=a)
    assert late["customerId"] == c


async def test_mail_threads_by_its_token_and_counts_once(support: RunningModule) -> None:
    ada = await support.new_tenant()
    ticket = await opened(support, ada)
    mail = {
        "mailItemId": some_id(),
        "messageId": "<1@x.example>",
        "fromAddress": "Kim@x.example",
        "subjectLine": f"Re: [#{ticket['number']}] Printer",
        "textBody": "More smoke",
    }
    fresh = {**mail, "messageId": "<2@x.example>", "subjectLine": "Another thing", "textBody": "Hi"}

    for number, data in enumerate((mail, mail, fresh, fresh), start=1):
        await support.publish(ada.tenant, "inbound.mail.received", "MailItem", UUID(mail["mailItemId"]), number, data)

    async def all_taken() -> bool:
        rows = await support.rows(ada.tenant, "select last_sequence from kit.inbox_key where key like 'MailItem/%'")
        return [row["last_sequence"] for row in rows] == [4]

    await until(all_taken)
    bodies = await support.rows(ada.tenant, "select body from ticket_message order by sent_at")
    assert [row["body"] for row in bodies] == ["Help!", "More smoke", "Hi"]
    tickets = await support.rows(ada.tenant, "select title, requester_email from ticket order by number")
    assert tickets[1] == {"title": "Another thing", "requester_email": "kim@x.example"}


async def test_a_customer_shows_its_newest_tickets_that_are_not_closed(support: RunningModule) -> None:
    """S12"""
    ada = await support.new_tenant()
    customer = some_id()
    made = [await opened(support, ada, customerId=customer) for _ in range(5)]
    await act(support, ada, "replyTicket", made[4], body="Hello")
    await act(support, ada, "resolveTicket", made[4], resolution="Done")
    await act(support, ada, "closeTicket", made[4])

    query = """query($of: [_Any!]!) { _entities(representations: $of) { ... on Customer {
        tickets(first: 3) { number status } closed: tickets(status: [CLOSED]) { number } } } }"""
    answer = await support.execute(ada, query, of=[{"__typename": "Customer", "id": customer}])

    assert answer.errors == []
    (shown,) = answer.data["_entities"]
    assert [ticket["number"] for ticket in shown["tickets"]] == ["T-4", "T-3", "T-2"]
    assert shown["closed"] == [{"number": "T-5"}]


async def test_the_report_and_the_card_count_what_was_promised(support: RunningModule, clock: MovableClock) -> None:
    ada = await support.new_tenant()
    await promise(support, ada, "NORMAL", 30, 600)
    good, late = await opened(support, ada), await opened(support, ada)
    await act(support, ada, "replyTicket", good, body="Hello")
    clock.ahead = timedelta(minutes=90)
    await act(support, ada, "replyTicket", late, body="Hello")

    now = datetime.now(UTC)  # noqa: TID251 outside the platform
    query = """query($from: DateTime!, $to: DateTime!) {
        slaReport(from: $from, to: $to) { key tickets metPct medianFirstResponse medianResolution }
        myQueue { number }
    }"""
    answer = await support.execute(
        ada, query, **{"from": (now - timedelta(days=1)).isoformat(), "to": (now + timedelta(days=1)).isoformat()}
    )

    assert answer.errors == []
    (line,) = answer.data["slaReport"]
    assert (line["key"], line["tickets"]) == ("NORMAL", 2)
    assert float(line["metPct"]) == 50
    assert float(line["medianFirstResponse"]) == 45
    card = await support.execute(
        ada,
        """query($of: [_Any!]!) { _entities(representations: $of) { ... on Dashboard { support {
            openByPriority { priority open } breachedToday medianFirstResponse } } } }""",
        of=[{"__typename": "Dashboard", "id": str(ada.tenant)}],
    )
    assert card.errors == []
    shown = card.data["_entities"][0]["support"]
    assert {one["priority"]: one["open"] for one in shown["openByPriority"]}["NORMAL"] == 2
    assert float(shown["medianFirstResponse"]) == 45
