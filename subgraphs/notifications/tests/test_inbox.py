"""The inbox: one message for each fact, unread until it is read."""

from uuid import UUID, uuid5

import pytest

from tests.modules import RunningModule, Starter, until

pytestmark = pytest.mark.anyio
_TASK = UUID("6d657761-797a-5000-8000-7461736b0000")


@pytest.fixture(scope="session")
async def notifications(start_module: Starter) -> RunningModule:
    return await start_module("notifications")


async def test_an_assignee_is_told_once_and_reads_it(notifications: RunningModule) -> None:
    """NOT-1, NOT-6"""
    ada = await notifications.new_tenant()
    task = uuid5(_TASK, str(ada.tenant))
    data = {"taskId": str(task), "title": "Draw the plan", "assigneeUserId": str(ada.user), "dueOn": "2026-12-01"}
    await notifications.publish(ada.tenant, "task.assigned", "ProjectTask", task, 1, data)
    await notifications.publish(ada.tenant, "task.assigned", "ProjectTask", task, 2, data)

    async def both_heard() -> bool:
        return bool(await notifications.rows(ada.tenant, "select 1 from kit.inbox_key where last_sequence = 2"))

    await until(both_heard)
    found = await notifications.execute(ada, "{ notificationMessages { nodes { id text status } } }")
    (message,) = found.data["notificationMessages"]["nodes"]
    assert message["text"] == "Yours to do: Draw the plan, due on 2026-12-01."
    assert await _unread(notifications, ada) == 1

    await notifications.command(
        ada, "markNotificationRead", "notificationMessage { status }", notificationMessageId=message["id"]
    )

    assert await _unread(notifications, ada) == 0
    assert len(await notifications.outgoing(ada.tenant, "notification.sent")) == 1


async def test_a_chinese_tenants_messages_are_chinese(notifications: RunningModule) -> None:
    lin = await notifications.new_tenant(locale="zh-CN")
    ticket = uuid5(_TASK, str(lin.tenant))
    data = {"ticketId": str(ticket), "number": "T-7", "kind": "FIRST_RESPONSE", "assigneeUserId": str(lin.user)}
    await notifications.publish(lin.tenant, "ticket.sla.breached", "Ticket", ticket, 1, data)

    async def is_told() -> bool:
        found = await notifications.execute(lin, "{ notificationMessages { nodes { text } } }")
        return [one["text"] for one in found.data["notificationMessages"]["nodes"]] == ["工单 T-7 已超时：首次响应。"]

    await until(is_told)


async def _unread(notifications: RunningModule, who: object) -> int:
    query = "query($of: [_Any!]!) { _entities(representations: $of) { ... on UserAccount { unreadNotifications } } }"
    asked = [{"__typename": "UserAccount", "id": str(who.user)}]  # type: ignore[attr-defined]
    (user,) = (await notifications.execute(who, query, of=asked)).data["_entities"]  # type: ignore[arg-type]
    return user["unreadNotifications"] or 0
