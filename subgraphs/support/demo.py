"""Support's demo data: promises, a team, and tickets in every state (demo.md)."""

import random
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from shared.demo import Demo, plants
from subgraphs.support.graph import commands
from subgraphs.support.models import (
    BusinessHours,
    SlaPolicyPriority,
    SupportTeamRouting,
    TicketChannel,
    TicketMessageAuthorKind,
    TicketPriority,
    TicketStatus,
)

_FULL = {"lumen": 44, "harbour": 3800}
_PROMISES = {"LOW": (480, 4800), "NORMAL": (240, 2400), "HIGH": (60, 960), "URGENT": (30, 480)}
_QUESTIONS = (
    ("登录后看不到发票", "您好，登录后发票列表是空的，麻烦看一下。", "已重新同步，请刷新页面。"),
    ("标志颜色印出来偏暗", "名片上的蓝色比屏幕上暗很多。", "我们换了专色，新样张今天寄出。"),
    (
        "Can’t open the proof PDF",
        "The file says it is damaged on my phone 📱.",
        "We sent a smaller one; please try that.",
    ),
    ("合同里的地址要改", "公司搬家了，请把地址改成灯塔路 18 号。", "已更新，附上新的合同。"),
    ("Delivery is a day late", "We expected the boxes yesterday.", "The courier has them; they arrive this afternoon."),
    ("网站在旧浏览器上排版错乱", "IT 部门还在用旧版浏览器。", "已经加上兼容样式。"),
)
_STEPS = tuple(TicketStatus)
_OVER = (TicketStatus.RESOLVED, TicketStatus.CLOSED)
_ACME = (
    TicketStatus.NEW,
    TicketStatus.OPEN,
    TicketStatus.PENDING_CUSTOMER,
    TicketStatus.RESOLVED,
    TicketStatus.CLOSED,
    TicketStatus.CLOSED,
)


@plants(order=60)
async def plant(demo: Demo) -> None:
    """Plant policies, a team, the six tickets of ACME and those of other customers."""
    owner = demo.id("identity", "owner", "UserAccount")
    week = tuple(BusinessHours(weekday=day, from_="09:00", to="18:00") for day in range(1, 6))
    for priority, (first, resolution) in _PROMISES.items():
        await demo.call(
            commands.define_sla_policy,
            f"policy-{priority.lower()}",
            demo.day(300),
            name=f"{priority.title()} 标准",
            priority=SlaPolicyPriority(priority),
            first_response_minutes=first,
            resolution_minutes=resolution,
            business_hours=week,
        )
    await demo.call(
        commands.define_support_team,
        "team",
        demo.day(300),
        name="Help desk 客服",
        mailbox=f"help@{demo.slug}.example",
        lead_user_id=owner,
        member_user_ids=(owner,),
        routing=SupportTeamRouting.LEAST_BUSY,
    )
    for days_ago, label, customer, status in sorted(_tickets(demo), reverse=True):
        await _ticket(demo, label, customer, status, days_ago)


def _tickets(demo: Demo) -> Iterator[tuple[int, str, str, TicketStatus]]:
    """Yield how many days ago, under which label, for which customer a ticket was opened, and how far it has come."""
    for number, status in enumerate(_ACME, start=1):
        yield (60 + number if status in _OVER else 30 - 4 * number), f"acme-{number}", "acme", status
    for number in range(1, demo.count(_FULL.get(demo.slug, 44), least=2 * len(_STEPS)) + 1):
        draw = demo.random("ticket", number)
        status = _STEPS[number % len(_STEPS)] if number <= 2 * len(_STEPS) else draw.choice(_OVER)
        days_ago = draw.randint(21, 200) if status in _OVER else draw.randint(4, 20)
        yield days_ago, f"ticket-{number}", f"customer-{draw.randint(1, 5)}", status


async def _ticket(demo: Demo, label: str, customer: str, status: TicketStatus, days_ago: int) -> None:
    """Bring one ticket to a state, by the commands that lead there."""
    draw = demo.random(label)
    title, question, answer = draw.choice(_QUESTIONS)
    # Business hours of both tenants: 02:00 UTC is ten in the morning there.
    opened, answered, later = demo.day(days_ago, 2), demo.day(days_ago, 3), demo.day(days_ago - 1, 4)
    ticket = await demo.call(
        commands.open_ticket,
        label,
        opened,
        title=title,
        body=question,
        channel=draw.choice(list(TicketChannel)),
        customer_id=demo.id("crm", customer, "Customer"),
        contact_id=demo.id("crm", f"{customer}-contact", "Contact"),
        priority=_priority(draw),
    )
    if status is TicketStatus.NEW:
        return
    step = _Steps(demo, label, ticket.id)
    await step(commands.reply_ticket, "answered", answered, body=answer)
    await step(commands.add_internal_note, "noted", answered, body="查过日志，没有其他客户受影响。")
    if status is TicketStatus.OPEN:
        author = TicketMessageAuthorKind.CUSTOMER
        await step(commands.reply_ticket, "asked", later, body="谢谢，还有一个小问题。", author_kind=author)
    elif status is TicketStatus.PENDING_CUSTOMER:
        await step(commands.await_customer, "waiting", later)
    elif status is TicketStatus.ON_HOLD:
        await step(commands.hold_ticket, "held", later)
    else:
        await step(commands.resolve_ticket, "resolved", later, resolution=answer, minutes_worked=draw.randint(5, 90))
    if status is TicketStatus.CLOSED:
        await step(commands.close_ticket, "closed", demo.day(days_ago - 4, 4))


def _priority(draw: random.Random) -> TicketPriority:
    kinds = (TicketPriority.NORMAL, TicketPriority.LOW, TicketPriority.HIGH, TicketPriority.URGENT)
    return draw.choices(kinds, weights=(55, 30, 12, 3))[0]


class _Steps:
    """The further commands on one ticket, each under a label of its own."""

    def __init__(self, demo: Demo, label: str, ticket_id: UUID) -> None:
        self._demo, self._label, self._id = demo, label, ticket_id

    async def __call__(self, command: object, name: str, at: datetime, **more: object) -> None:
        await self._demo.call(command, f"{self._label}-{name}", at, finds=self._id, ticket_id=self._id, **more)
