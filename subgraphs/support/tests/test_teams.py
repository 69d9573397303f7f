"""Who sees which tickets: TEAM is one's support teams, and the queue of nobody (tier1.md, 2)."""

from uuid import UUID

import pytest

from shared.clock import SystemClock, new_id
from shared.wire.principal import Principal
from subgraphs.support.tests.test_tickets import act, code, opened, promise, some_id, support
from tests.modules import RunningModule

pytestmark = pytest.mark.anyio
__all__ = ["support"]  # the fixture


def agent(ada: Principal, *scopes: str) -> Principal:
    return Principal(tenant=ada.tenant, user=new_id(SystemClock().now()), permissions=scopes)


async def team_of(support: RunningModule, ada: Principal, *members: UUID | None) -> str:
    given = {"name": some_id(), "memberUserIds": [str(one) for one in members]}
    return (await support.command(ada, "defineSupportTeam", "supportTeam { id }", **given))["supportTeam"]["id"]


async def test_an_agent_sees_and_takes_what_is_the_team_s_or_nobody_s(support: RunningModule) -> None:
    ada = await support.new_tenant()
    bo = agent(ada, "support.ticket.*@team", "support.ticket_message.read", "support.sla_timer.read")
    ours, theirs = await team_of(support, ada, bo.user), await team_of(support, ada, ada.user)
    queued, of_us, of_them, of_ada = [await opened(support, ada, title=f"T{number}") for number in range(4)]
    await act(support, ada, "assignTicket", of_us, teamId=ours)
    await act(support, ada, "assignTicket", of_them, teamId=theirs)
    await act(support, ada, "assignTicket", of_ada, userId=str(ada.user))

    listed = await support.execute(bo, "{ tickets { totalCount nodes { id } } }")
    taken = await act(support, bo, "assignTicket", queued, userId=str(bo.user))

    assert {one["id"] for one in listed.data["tickets"]["nodes"]} == {queued["id"], of_us["id"]}
    assert listed.data["tickets"]["totalCount"] == 2
    assert taken["assigneeUserId"] == str(bo.user)
    for one in (of_them, of_ada):
        assert await code(support, bo, "resolveTicket", ticketId=one["id"], resolution="x") == "NOT_FOUND"


async def test_what_is_nobody_s_is_not_one_s_own(support: RunningModule) -> None:
    ada = await support.new_tenant()
    bo, own = agent(ada, "support.ticket.*@team"), agent(ada, "support.ticket.*@own")
    await opened(support, ada)

    counts = [
        (await support.execute(one, "{ tickets { totalCount } }")).data["tickets"]["totalCount"] for one in (bo, own)
    ]

    assert counts == [1, 0]


async def test_what_is_said_on_a_ticket_and_its_clocks_are_read_where_the_ticket_is(support: RunningModule) -> None:
    """The permission to read messages is held for all, that to read tickets for some"""
    ada = await support.new_tenant()
    await promise(support, ada, "NORMAL", 30, 600)
    queued, of_ada = await opened(support, ada), await opened(support, ada)
    await act(support, ada, "assignTicket", of_ada, userId=str(ada.user))
    parts = "ticketMessages { totalCount nodes { id ticketId } } slaTimers { totalCount nodes { id ticketId } }"
    everything = (await support.execute(ada, f"{{ {parts} }}")).data
    reads = ("support.ticket_message.read", "support.sla_timer.read")
    bo, cy = agent(ada, "support.ticket.read@team", *reads), agent(ada, *reads)
    di = agent(ada, "support.*@team")

    seen = {one: (await support.execute(one, f"{{ {parts} }}")).data for one in (bo, cy, di)}

    for name in ("ticketMessages", "slaTimers"):
        tickets = {one["id"]: one["ticketId"] for one in everything[name]["nodes"]}
        assert set(tickets.values()) == {queued["id"], of_ada["id"]}
        for one in (bo, di):
            assert {part["ticketId"] for part in seen[one][name]["nodes"]} == {queued["id"]}
            assert seen[one][name]["totalCount"] == len(seen[one][name]["nodes"])
        assert seen[cy][name] == {"totalCount": 0, "nodes": []}
        hidden = next(part for part, ticket in tickets.items() if ticket == of_ada["id"])
        by_id = await support.execute(bo, f'{{ {name.removesuffix("s")}(id: "{hidden}") {{ id }} }}')
        assert by_id.data == {name.removesuffix("s"): None}
