"""Commands and questions about commissions (tier1.md, 4)."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select

from shared.commands.command import command
from shared.database.transaction import Transaction
from shared.errors import Forbidden, IllegalState, Invalid
from shared.graph.entity import card, query
from shared.values import HUNDRED, Money, Part
from shared.wire.principal import RowScope
from subgraphs.hr import models
from subgraphs.hr.models import (
    CommissionEntry,
    CommissionEntryKind,
    CommissionEntryStatus,
    CommissionPlan,
    CommissionPlanBasis,
    CommissionPlanPeriodKind,
    CommissionPlanTrigger,
    CommissionTier,
    Employee,
    EmployeeStatus,
    LeaveRequest,
    LeaveRequestStatus,
    PlanAssignment,
)

_AT_ONCE = 2000


class CommissionStatement(Part):
    """What someone's commissions of a period come to, in one currency."""

    period: str
    base: Money
    accrued: Money
    approved: Money
    paid: Money
    clawed_back: Money
    total: Money


class HrDashboard(Part):
    """The firm at a glance."""

    headcount: int
    away_today: int
    commission_accrued: tuple[Money, ...]


@command("hr.commission_plan.write")
async def define_commission_plan(
    tx: Transaction,
    name: str,
    tiers: tuple[CommissionTier, ...],
    basis: CommissionPlanBasis = CommissionPlanBasis.REVENUE,
    trigger: CommissionPlanTrigger = CommissionPlanTrigger.DEAL_WON,
    currency: str | None = None,
    period_kind: CommissionPlanPeriodKind = CommissionPlanPeriodKind.MONTH,
    accelerator: bool = False,
    quota_amount: Money | None = None,
    clawback_days: int | None = 90,
    valid_from: date | None = None,
    valid_to: date | None = None,
) -> CommissionPlan:
    """Define a commission plan; its currency is the tenant's unless another is named."""
    plan = CommissionPlan(
        name=name,
        basis=basis,
        trigger=trigger,
        currency=currency or (await tx.tenant()).base_currency,
        period_kind=period_kind,
        tiers=tiers,
        accelerator=accelerator,
        quota_amount=quota_amount,
        clawback_days=clawback_days,
        valid_from=valid_from,
        valid_to=valid_to,
    )
    plan.must_ascend()
    return tx.add(plan)


@command("hr.commission_plan.write")
async def assign_commission_plan(
    tx: Transaction,
    employee_id: UUID,
    plan_id: UUID,
    valid_from: date,
    valid_to: date | None = None,
    split_pct: Decimal = HUNDRED,
) -> PlanAssignment:
    """Let a plan apply to someone; one for all of their sales takes the place of the open ones before it."""
    employee = await tx.get(Employee, employee_id)
    plan = await tx.get(CommissionPlan, plan_id)
    return await models.assign(tx, employee.id, plan.id, start=valid_from, end=valid_to, split_pct=split_pct)


@command("hr.commission.approve")
async def approve_commissions(
    tx: Transaction, period_label: str, employee_ids: tuple[UUID, ...] | None = None
) -> list[CommissionEntry]:
    """Approve what was accrued in a period, of everyone or of some; Payroll pays it."""
    statement = select(CommissionEntry).where(
        CommissionEntry.period_label == period_label,
        CommissionEntry.status == CommissionEntryStatus.ACCRUED,
        *tx.visible(CommissionEntry),
    )
    if employee_ids is not None:
        named = select(Employee.id).where(Employee.id.in_(employee_ids), *tx.visible(Employee))
        statement = statement.where(CommissionEntry.employee_id.in_(named))
    people = select(Employee).where(Employee.id.in_(statement.with_only_columns(CommissionEntry.employee_id)))
    await tx.all(people.order_by(Employee.id).with_for_update())  # nothing is rated meanwhile
    ordered = statement.order_by(CommissionEntry.closed_at, CommissionEntry.source_key)
    entries = await tx.all(ordered.limit(_AT_ONCE).with_for_update())
    tx.publish(*(entry.approve() for entry in entries))
    return list(entries)


@command("hr.commission.approve")
async def adjust_commission(tx: Transaction, entry_id: UUID, amount: Money, reason: str) -> CommissionEntry:
    """Correct an approved commission by a further entry, which is approved like any other."""
    entry = await tx.get(CommissionEntry, entry_id)
    if not entry.is_frozen:
        raise IllegalState("The commission is not approved yet: it follows the facts by itself.")
    if amount.currency != entry.amount.currency or not amount.amount:
        raise Invalid(
            "An adjustment is an amount in {currency} other than zero.", "amount", currency=entry.amount.currency
        )
    key = f"{entry.source_key}:adjust:"
    count = select(func.count(CommissionEntry.id)).where(CommissionEntry.source_key.startswith(key))
    number = (await tx.session.execute(count)).scalar_one()
    period = f"{await tx.today():%Y-%m}"
    row = tx.add(entry.correct(CommissionEntryKind.ADJUSTMENT, f"{key}{number}", amount, period, reason))
    tx.publish(row.accrued())
    return row


@query("hr.commission_entry.read")
async def commission_statement(tx: Transaction, employee_id: UUID, period: str) -> list[CommissionStatement]:
    """Return what someone's commissions of a period come to, per currency."""
    _must_reach(tx, employee_id)
    statement = select(CommissionEntry).where(
        CommissionEntry.employee_id == employee_id, CommissionEntry.period_label == period
    )
    by_currency: dict[str, list[CommissionEntry]] = {}
    for entry in await tx.all(statement.limit(_AT_ONCE)):
        by_currency.setdefault(entry.amount.currency, []).append(entry)
    return [_state(period, currency, entries) for currency, entries in sorted(by_currency.items())]


def _state(period: str, currency: str, entries: list[CommissionEntry]) -> CommissionStatement:
    live = [entry for entry in entries if entry.status is not CommissionEntryStatus.REVERSED]

    def of(status: CommissionEntryStatus) -> Money:
        clawback = CommissionEntryKind.CLAWBACK
        return Money.total((one.amount for one in live if one.status is status and one.kind is not clawback), currency)

    return CommissionStatement(
        period=period,
        base=Money.total((entry.base_amount for entry in live), currency),
        accrued=of(CommissionEntryStatus.ACCRUED),
        approved=of(CommissionEntryStatus.APPROVED),
        paid=of(CommissionEntryStatus.PAID),
        clawed_back=Money.total((one.amount for one in live if one.kind is CommissionEntryKind.CLAWBACK), currency),
        total=Money.total((entry.amount for entry in live), currency),
    )


def _must_reach(tx: Transaction, employee_id: UUID) -> None:
    scope = tx.principal.scope("hr.commission_entry.read")
    mine = employee_id == tx.principal.employee or (scope is RowScope.TEAM and employee_id in tx.principal.team)
    if scope is not RowScope.TENANT and not mine:
        raise Forbidden("hr.commission_entry.read")


@card("hr.employee.read")
async def hr_card(tx: Transaction) -> HrDashboard:
    """Headcount, who is away today, and by currency this month's commission, as far as the caller may read it."""
    today = await tx.today()
    here = Employee.status.in_((EmployeeStatus.ACTIVE, EmployeeStatus.ON_LEAVE, EmployeeStatus.NOTICE))
    away = select(func.count(LeaveRequest.id)).where(
        LeaveRequest.status.in_((LeaveRequestStatus.APPROVED, LeaveRequestStatus.TAKEN)),
        LeaveRequest.starts_on <= today,
        LeaveRequest.ends_on >= today,
    )
    columns = CommissionEntry.__table__.c
    accrued = (
        select(columns.amount_currency, func.sum(columns.amount_amount))
        .where(columns.period_label == f"{today:%Y-%m}", columns.status != "REVERSED", *tx.visible(CommissionEntry))
        .group_by(columns.amount_currency)
        .order_by(columns.amount_currency)
    )
    return HrDashboard(
        headcount=(await tx.session.execute(select(func.count(Employee.id)).where(here))).scalar_one(),
        away_today=(await tx.session.execute(away)).scalar_one(),
        commission_accrued=tuple(
            Money(total, currency) for currency, total in (await tx.session.execute(accrued)).all()
        ),
    )
