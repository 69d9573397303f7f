"""Invoicing's demo data: invoices in every state, in the order of their dates (demo.md, S12)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal

from shared.demo import Demo, plants
from shared.values import Address, Money
from subgraphs.invoicing.events import BillTo, DocumentLine
from subgraphs.invoicing.graph import commands
from subgraphs.invoicing.models import CreditNoteReason, Invoice, InvoicePaymentMethod

_WORK = (
    "Website maintenance 网站维护",
    "Layout of a catalogue 画册排版",
    "Photo shooting 产品摄影",
    "Signs and labels 标识设计",
    "Consulting 咨询",
    "Illustrations 插画",
)
_FULL = {"lumen": 96, "harbour": 21000}
_FATES = ("paid", "paid", "paid", "part", "open", "overdue", "credited", "voided", "written-off", "draft")


@dataclass(frozen=True)
class Story:
    """What happens to one invoice: issued `issued` days before the story's end, then its fate."""

    label: str
    customer: str
    issued: int
    fate: str


Step = tuple[int, str, Callable[[], Awaitable[object]]]


@plants(order=30)
async def plant(demo: Demo) -> None:
    """Plant invoices of ACME (three open, five paid) and of others, in every state, then mark what is overdue."""
    currency = await demo.base_currency()
    steps: list[Step] = []
    for story in _stories(demo):
        steps += _steps(demo, story, currency)
    # Numbers follow dates (INV-10): everything happens in the order of days.
    for _, _, step in sorted(steps, key=lambda step: (-step[0], step[1])):
        await step()
    await demo.write(lambda tx: commands.mark_invoice_overdue(tx, demo.as_of), "overdue", demo.day(0))


def _stories(demo: Demo) -> list[Story]:
    acme = [Story(f"acme-open-{at}", "acme", issued, "open") for at, issued in enumerate((20, 12, 5), 1)]
    acme += [Story(f"acme-paid-{at}", "acme", 60 + 30 * at, "paid") for at in range(1, 6)]
    others: list[Story] = []
    for number in range(1, demo.count(_FULL.get(demo.slug, 96), least=20) + 1):
        draw = demo.random("invoice", number)
        fate = _FATES[number % len(_FATES)]
        issued = draw.randint(3, 25) if fate in ("open", "part", "draft") else draw.randint(45, 300)
        others.append(Story(f"invoice-{number}", f"customer-{draw.randint(1, 5)}", issued, fate))
    return acme + others


def _steps(demo: Demo, story: Story, currency: str) -> list[Step]:
    """Return what is done for one invoice, each step with its day."""
    draw = demo.random("amounts", story.label)
    net = Money(Decimal(round(draw.lognormvariate(7.6, 0.9), -1) + 100), currency).rounded()
    invoice = demo.id("invoicing", story.label, "Invoice")
    at = demo.day

    async def draft() -> None:
        await demo.call(
            commands.draft_invoice,
            story.label,
            at(story.issued, 8),
            currency=currency,
            customer_id=demo.id("crm", story.customer, "Customer"),
            bill_to=_bill_to(story.customer, currency),
            lines=(
                DocumentLine(description=draw.choice(_WORK), quantity=Decimal(draw.randint(1, 8)), unit_price=net),
                DocumentLine(description="Travel 差旅", unit_price=Money(Decimal(120), currency)),
            ),
        )

    async def issue() -> Invoice:
        day = at(story.issued)
        label = f"{story.label}-issued"
        return await demo.call(commands.issue_invoice, label, day, finds=invoice, id=invoice, issue_date=day.date())

    steps: list[Step] = [(story.issued, f"{story.label}-0", draft)]
    if story.fate != "draft":
        steps.append((story.issued, f"{story.label}-1", issue))
    later = max(1, story.issued - draw.randint(2, 30))
    if end := _endings(demo, story, issue, later).get(story.fate):
        steps.append((later, f"{story.label}-2", end))
    return steps


def _endings(
    demo: Demo, story: Story, issued: Callable[[], Awaitable[Invoice]], later: int
) -> dict[str, Callable[[], Awaitable[object]]]:
    day, label = demo.day(later, 15), f"{story.label}-end"
    invoice = demo.id("invoicing", story.label, "Invoice")

    async def pay(share: Decimal) -> object:
        gross = (await issued()).gross_total
        return await demo.call(
            commands.record_invoice_payment,
            label,
            day,
            id=invoice,
            amount=gross.times(share),
            received_on=day.date(),
            method=InvoicePaymentMethod.BANK,
            reference=f"DEMO {story.label}",
        )

    async def credit() -> object:
        return await demo.call(
            commands.issue_credit_note,
            label,
            day,
            invoice_id=invoice,
            reason=CreditNoteReason.RETURN,
            full=True,
            issue_date=day.date(),
        )

    async def void() -> object:
        return await demo.call(
            commands.void_invoice, label, day, finds=invoice, id=invoice, reason="Wrong customer 开错客户"
        )

    async def write_off() -> object:
        return await demo.call(
            commands.write_off_invoice, label, day, finds=invoice, id=invoice, reason="Insolvent 破产"
        )

    return {
        "paid": lambda: pay(Decimal(1)),
        "part": lambda: pay(Decimal("0.4")),
        "credited": credit,
        "voided": void,
        "written-off": write_off,
    }


def _bill_to(customer: str, currency: str) -> BillTo:
    country, city = ("HK", "Hong Kong") if currency == "HKD" else ("CN", "Shanghai")
    name = "ACME 科技 / Acme Tech" if customer == "acme" else f"Customer 客户 {customer.removeprefix('customer-')}"
    return BillTo(
        name=name, address=Address(line1="Lantern Road 灯塔路 18", city=city, postcode="200000", country=country)
    )
