"""Which plan applies to whom from when (HR-10), and what passing the quota adds (HR-7)."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import or_, select

from shared.database.transaction import Transaction
from shared.language import Phrase
from shared.values import HUNDRED, Money
from subgraphs.hr.models.commission import CommissionEntry, CommissionEntryKind, CommissionEntryStatus
from subgraphs.hr.models.leave import Overlap
from subgraphs.hr.models.plan import CommissionPlan, PlanAssignment, SplitNot100


async def assign(
    tx: Transaction, employee_id: UUID, plan_id: UUID, *, start: date, end: date | None, split_pct: Decimal
) -> PlanAssignment:
    """Let a plan apply to someone. One for all of a person's sales ends the open ones before it the day before.

    Raises Overlap for the same plan twice, SplitNot100 where the plans of a day would share more than a sale.
    """
    others = await _overlapping(tx, employee_id, start, end)
    if split_pct == HUNDRED:
        for one in others:
            if one.valid_to is None and one.valid_from < start:
                one.valid_to = start - timedelta(days=1)
        others = [one for one in others if one.valid_to is None or one.valid_to >= start]
    for one in others:
        if one.plan_id == plan_id:
            raise Overlap(Phrase("The same plan"), one.valid_from, one.valid_to)
    total = split_pct + sum((one.split_pct for one in others), Decimal(0))
    if total > HUNDRED:
        raise SplitNot100(total)
    return tx.add(
        PlanAssignment(employee_id=employee_id, plan_id=plan_id, valid_from=start, valid_to=end, split_pct=split_pct)
    )


async def accelerate(
    tx: Transaction, plan: CommissionPlan, employee_id: UUID, period: str, entries: Sequence[CommissionEntry]
) -> None:
    """Pay the top rate on the whole period once the quota is passed: the difference is an ADJUSTMENT (HR-7)."""
    if not plan.accelerator or plan.quota_amount is None or not entries:
        return
    live = [entry for entry in entries if entry.status is not CommissionEntryStatus.REVERSED]
    base = Money.total((entry.base_amount for entry in live), plan.currency)
    extra = Money.zero(plan.currency)
    if base.amount > plan.quota_amount.amount:
        extra = base.percent(plan.tiers[-1].rate_pct) - plan.commission(base)
    key = f"accelerator:{employee_id}:{plan.id}:{period}"
    rows = await tx.all(
        select(CommissionEntry)
        .where(CommissionEntry.source_key.startswith(f"{key}:"))
        .order_by(CommissionEntry.source_key)
    )
    delta = extra - Money.total((row.amount for row in rows), plan.currency)
    if not delta.amount:
        return
    waiting = next((row for row in rows if not row.is_frozen), None)
    if waiting is not None:
        waiting.earned_amount = waiting.amount = waiting.amount + delta
    else:
        latest = max(entries, key=lambda entry: entry.closed_at)
        reason = f"Top rate on the whole of {period}: the quota of {plan.quota_amount} is passed."
        waiting = latest.correct(CommissionEntryKind.ADJUSTMENT, f"{key}:{len(rows)}", delta, period, reason)
        waiting.deal_id = waiting.invoice_id = waiting.origin_key = waiting.original_entry_id = None
        tx.add(waiting)
    tx.publish(waiting.accrued())


async def _overlapping(tx: Transaction, employee_id: UUID, start: date, end: date | None) -> list[PlanAssignment]:
    still = or_(PlanAssignment.valid_to.is_(None), PlanAssignment.valid_to >= start)
    statement = select(PlanAssignment).where(PlanAssignment.employee_id == employee_id, still)
    if end is not None:
        statement = statement.where(PlanAssignment.valid_from <= end)
    return list(await tx.all(statement.with_for_update()))
