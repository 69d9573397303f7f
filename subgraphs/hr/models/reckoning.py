"""From facts to commission entries: what is entitled, what was credited, what the tiers give (HR-7 to HR-14).

Nothing here depends on the order in which facts arrived.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

from sqlalchemy import or_, select

from shared.database.transaction import Transaction
from shared.values import HUNDRED, Money
from subgraphs.hr.models.assigning import accelerate
from subgraphs.hr.models.commission import CommissionEntry, CommissionEntryKind, rate_period
from subgraphs.hr.models.facts import (
    CommissionExpectation,
    CreditFact,
    DealClosing,
    InvoiceFact,
    PaymentFact,
    WonDeal,
    rate_on,
)
from subgraphs.hr.models.plan import CommissionPlan, CommissionPlanBasis, CommissionPlanTrigger, PlanAssignment
from subgraphs.hr.models.staff import Employee


@dataclass(frozen=True, slots=True)
class Claim:
    """Why someone has a commission: a share of a closing, or of one of its invoices.

    `net` is what credits are measured against (HR-9), `void` says that the reason itself is gone.
    """

    source_key: str
    expectation: CommissionExpectation
    base: Money
    net: Money
    on: date
    at: datetime
    invoice_id: UUID | None
    void: bool


async def expect(tx: Transaction, closing: DealClosing, won: WonDeal) -> None:
    """Note who has what share of a closing, by the plans valid on its day (HR-8, HR-10).

    Without salesperson or plan there is none, and the closing says so.
    """
    closing.won, notes = won, [] if won.shares else ["no salesperson"]
    left = won.amount
    for at, share in enumerate(won.shares):
        own = left if at == len(won.shares) - 1 else won.amount.percent(share.split_pct)
        left = left - own
        assigned = await _plans_on(tx, share.employee_id, won.closed_on)
        if not assigned:
            notes.append(f"no commission plan for {share.employee_id} on {won.closed_on}")
        for assignment, plan in assigned:
            await _expect_one(tx, closing, own, share.split_pct / HUNDRED, assignment, plan)
    closing.note = "; ".join(notes)[:500] or None


async def reckon(tx: Transaction, closing: DealClosing) -> None:
    """Bring the entries of a closing in line with the facts, rate the periods they touch, publish what changed."""
    expectations = await tx.all(
        select(CommissionExpectation).where(CommissionExpectation.origin_key == closing.key).limit(200)
    )
    people = sorted({one.employee_id for one in expectations})
    # One at a time per person: two closings of one period are rated together or not at all.
    await tx.all(select(Employee).where(Employee.id.in_(people)).order_by(Employee.id).with_for_update())
    touched: set[tuple[UUID, UUID, str]] = set()
    for claim in await _claims(tx, closing, expectations):
        plan = await _plan(tx, claim.expectation.plan_id)
        share, cause = await _credited(tx, closing, claim, plan)
        entry = await _entry(tx, claim, plan)
        if entry is None:
            continue
        if entry.is_frozen:
            await _correct(tx, entry, plan, share, cause)
            continue
        entry.base_amount = claim.base
        entry.scale(share)
        touched.add((entry.employee_id, plan.id, entry.period_label))
    for employee_id, plan_id, period in sorted(touched, key=str):
        await rate(tx, employee_id, await _plan(tx, plan_id), period)


async def rate(tx: Transaction, employee_id: UUID, plan: CommissionPlan, period: str) -> None:
    """Rate one person's accruals of a plan and period, and publish what changed."""
    await tx.session.flush()
    entries = await tx.all(
        select(CommissionEntry).where(
            CommissionEntry.employee_id == employee_id,
            CommissionEntry.commission_plan_id == plan.id,
            CommissionEntry.period_label == period,
            CommissionEntry.kind == CommissionEntryKind.ACCRUAL,
        )
    )
    tx.publish(*rate_period(plan, entries))
    await accelerate(tx, plan, employee_id, period, entries)


async def closings_of(tx: Transaction, origin_key: str | None) -> Sequence[DealClosing]:
    """Return the closings that an origin names, locked; one that knows only the deal means its live closing (INV-11).

    A closing not heard of yet is made here: its fact, told at the same moment, waits for the lock and sees this one's.
    """
    kind, _, rest = (origin_key or "").partition(":")
    deal, _, number = rest.partition(":")
    try:
        deal_id = UUID(deal)
    except ValueError:
        return ()
    if kind != "deal":
        return ()
    if number.isdigit():
        return (await tx.ensure(DealClosing(deal_id=deal_id, closing_no=int(number)), "deal_id", "closing_no"),)
    live = (DealClosing.deal_id == deal_id, DealClosing.reopened_on.is_(None))
    return await tx.all(select(DealClosing).where(*live).order_by(DealClosing.id).with_for_update())


async def _plans_on(tx: Transaction, employee_id: UUID, on: date) -> list[tuple[PlanAssignment, CommissionPlan]]:
    statement = (
        select(PlanAssignment, CommissionPlan)
        .join(CommissionPlan, CommissionPlan.id == PlanAssignment.plan_id)
        .where(
            PlanAssignment.employee_id == employee_id,
            PlanAssignment.valid_from <= on,
            or_(PlanAssignment.valid_to.is_(None), PlanAssignment.valid_to >= on),
        )
        .order_by(PlanAssignment.valid_from, PlanAssignment.id)
    )
    found = (await tx.session.execute(statement)).all()
    return [(assignment, plan) for assignment, plan in found if plan.is_valid(on)]


async def _expect_one(
    tx: Transaction,
    closing: DealClosing,
    own: Money,
    share: Decimal,
    assignment: PlanAssignment,
    plan: CommissionPlan,
) -> None:
    won = closing.won
    assert won is not None
    portion = share * assignment.split_pct / HUNDRED
    rate = await rate_on(tx, won.amount.currency, plan.currency, won.closed_on)
    factor = assignment.split_pct / HUNDRED
    if plan.basis is CommissionPlanBasis.MARGIN:
        margin = won.margin or Money.zero(won.amount.currency)
        of_amount = margin.amount / won.amount.amount if won.amount.amount else Decimal(0)
        portion, factor = portion * of_amount, factor * of_amount
    base = Money(own.amount * factor * rate, plan.currency).rounded()
    if plan.basis is CommissionPlanBasis.UNITS:
        base = Money(won.units * portion, plan.currency).rounded()
    expectation = CommissionExpectation(
        deal_id=closing.deal_id,
        origin_key=closing.key,
        employee_id=assignment.employee_id,
        plan_id=plan.id,
        portion=portion,
        base=base,
        fx_rate=rate,
    )
    await tx.ensure(expectation, "origin_key", "employee_id", "plan_id")


async def _plan(tx: Transaction, plan_id: UUID) -> CommissionPlan:
    plan = await tx.first_where(CommissionPlan, CommissionPlan.id == plan_id)
    assert plan is not None
    return plan


async def _claims(tx: Transaction, closing: DealClosing, expectations: Sequence[CommissionExpectation]) -> list[Claim]:
    won = closing.won
    if won is None:
        return []
    claims: list[Claim] = []
    for one in expectations:
        plan = await _plan(tx, one.plan_id)
        if plan.trigger is CommissionPlanTrigger.DEAL_WON:
            key = f"{closing.key}:{one.employee_id}:{one.plan_id}"
            claims.append(Claim(key, one, one.base, won.amount, won.closed_on, won.closed_at, None, void=False))
            continue
        for invoice in await _invoices(tx, closing):
            if claim := await _invoice_claim(tx, invoice, one, plan):
                claims.append(claim)
    return claims


async def _invoices(tx: Transaction, closing: DealClosing) -> Sequence[InvoiceFact]:
    keys = [closing.key] if closing.reopened_on else [closing.key, f"deal:{closing.deal_id}"]
    return await tx.all(select(InvoiceFact).where(InvoiceFact.origin_key.in_(keys)).order_by(InvoiceFact.invoice_id))


async def _invoice_claim(
    tx: Transaction, invoice: InvoiceFact, expectation: CommissionExpectation, plan: CommissionPlan
) -> Claim | None:
    collecting = plan.trigger is CommissionPlanTrigger.INVOICE_PAID
    on = invoice.paid_on if collecting else invoice.issued_on
    if on is None or invoice.net is None or invoice.gross is None:
        return None
    earned, void = Decimal(1), invoice.voided
    if collecting:
        collected, written_off, credited = await _received(tx, invoice)
        void = void or collected + written_off + credited < invoice.gross.amount
        earned = 1 - written_off / invoice.gross.amount if invoice.gross.amount else Decimal(1)
    rate = await rate_on(tx, invoice.net.currency, plan.currency, on)
    base = Money(invoice.net.amount * expectation.portion * earned * rate, plan.currency).rounded()
    key = f"invoice:{invoice.invoice_id}:{expectation.employee_id}:{plan.id}"
    at = datetime.combine(on, time(), UTC)
    return Claim(key, expectation, base, invoice.net, on, at, invoice.invoice_id, void)


async def _received(tx: Transaction, invoice: InvoiceFact) -> tuple[Decimal, Decimal, Decimal]:
    """Return what of an invoice was collected, written off and credited, tax included."""
    payments = await tx.all(select(PaymentFact).where(PaymentFact.invoice_id == invoice.invoice_id))
    credits = await tx.all(
        select(CreditFact).where(CreditFact.invoice_id == invoice.invoice_id, CreditFact.is_refund.is_(False))
    )
    collected = sum((one.amount.amount for one in payments if not one.written_off), Decimal(0))
    written_off = sum((one.amount.amount for one in payments if one.written_off), Decimal(0))
    return collected, written_off, sum((one.gross.amount for one in credits), Decimal(0))


async def _credited(
    tx: Transaction, closing: DealClosing, claim: Claim, plan: CommissionPlan
) -> tuple[Decimal, CreditFact | None]:
    """Return the credited share of a claim, 0 to 1, and the last credit behind it (HR-9, HR-13).

    Credits and refunds of one invoice count against the same amount: the greater of the two.
    """
    if closing.reopened_on is not None or claim.void:
        return Decimal(1), None
    where = CreditFact.invoice_id == claim.invoice_id
    if claim.invoice_id is None:
        where = CreditFact.origin_key.in_((closing.key, f"deal:{closing.deal_id}"))
    facts = [
        fact
        for fact in await tx.all(select(CreditFact).where(where).order_by(CreditFact.credited_on, CreditFact.cause))
        if plan.claws_back(claim.on, fact.credited_on)
    ]
    sums: dict[UUID | None, dict[bool, Decimal]] = {}
    for fact in facts:
        of_invoice = sums.setdefault(fact.invoice_id, {True: Decimal(0), False: Decimal(0)})
        of_invoice[fact.is_refund] += fact.net.amount
    credited = sum((max(one.values()) for one in sums.values()), Decimal(0))
    share = min(credited / claim.net.amount, Decimal(1)) if claim.net.amount else Decimal(0)
    return share, facts[-1] if facts else None


async def _entry(tx: Transaction, claim: Claim, plan: CommissionPlan) -> CommissionEntry | None:
    """Return the claim's entry, made where there is a reason for it; None where there is none and never was."""
    known = await tx.first_where(CommissionEntry, CommissionEntry.source_key == claim.source_key, lock=True)
    if known is not None or claim.void:
        return known
    zero = Money.zero(plan.currency)
    return await tx.ensure(
        CommissionEntry(
            source_key=claim.source_key,
            employee_id=claim.expectation.employee_id,
            commission_plan_id=plan.id,
            deal_id=claim.expectation.deal_id,
            invoice_id=claim.invoice_id,
            base_amount=claim.base,
            earned_amount=zero,
            amount=zero,
            period_label=plan.period_of(claim.on),
            origin_key=claim.expectation.origin_key,
            fx_rate=claim.expectation.fx_rate,
            closed_on=claim.on,
            closed_at=claim.at,
        ),
        "source_key",
    )


async def _correct(
    tx: Transaction, entry: CommissionEntry, plan: CommissionPlan, share: Decimal, cause: CreditFact | None
) -> None:
    """Claw back from an approved entry what its credited share has come to since (HR-9, HR-13)."""
    rows = await tx.all(
        select(CommissionEntry).where(CommissionEntry.source_key.startswith(f"{entry.source_key}:claw:"))
    )
    have = entry.amount + Money.total((row.amount for row in rows), plan.currency)
    delta = entry.earned_amount - entry.earned_amount.times(share) - have
    if not delta.amount:
        return
    name = cause.cause if cause else "withdrawn"
    on = cause.credited_on if cause else await tx.today()
    gives_back = delta.amount > 0
    row = tx.add(
        entry.correct(
            CommissionEntryKind.ADJUSTMENT if gives_back else CommissionEntryKind.CLAWBACK,
            f"{entry.source_key}:claw:{name}:{len(rows)}" if rows else f"{entry.source_key}:claw:{name}",
            delta,
            plan.period_of(on),
            "The reason for the clawback is gone." if gives_back else f"Taken back: {name}.",
        )
    )
    tx.publish(row.accrued() if gives_back else row.clawed_back())
