"""HR's types, queries and commands: thin, they call models."""

from datetime import date
from uuid import UUID

from sqlalchemy import select

from shared.commands.command import command
from shared.database.transaction import Transaction
from shared.graph.entity import batched, entity, extend, field_of_row
from shared.graph.rows import related
from shared.values import Money
from subgraphs.hr import models


@entity(
    models.Department, filters=("name", "parent_department_id", "active", "country_code"), sort=("name", "created_at")
)
class Department:
    """A part of the firm."""


@entity(
    models.Employee,
    filters=("full_name", "work_email", "department_id", "manager_id", "status", "user_id"),
    sort=("full_name", "employee_number", "hired_on", "created_at"),
)
class Employee:
    """Someone who works here, or did."""


@entity(models.CommissionPlan, filters=("name", "trigger", "valid_from", "valid_to"), sort=("name", "created_at"))
class CommissionPlan:
    """Rates by tiers on the base of a period, all in one currency."""

    @field_of_row
    @staticmethod
    def tier_table(plan: models.CommissionPlan) -> str:
        """The tiers in words: `0: 5 %, 10000: 8 %`."""
        return ", ".join(f"{tier.from_amount:f}: {tier.rate_pct:f} %" for tier in plan.tiers)


@entity(
    models.CommissionEntry,
    filters=("employee_id", "deal_id", "commission_plan_id", "period_label", "status", "kind", "closed_on"),
    sort=("created_at", "closed_on", "amount", "period_label"),
)
class CommissionEntry:
    """What someone earns for a sale, or loses again."""


@extend("crm.Deal")
class Deal:
    """What HR knows of a deal."""

    commissions = related(models.CommissionEntry, by="deal_id", order_by="created_at", status=True)


@extend("identity.UserAccount")
class UserAccount:
    """What HR knows of a user account."""

    @batched("hr.employee.read")
    @staticmethod
    async def employee(tx: Transaction, ids: list[UUID]) -> dict[UUID, models.Employee]:
        """The person behind the account."""
        rows = await tx.all(select(models.Employee).where(models.Employee.user_id.in_(ids)))
        return {row.user_id: row for row in rows if row.user_id}


@command("hr.department.write")
async def open_department(
    tx: Transaction, name: str, parent_department_id: UUID | None = None, country_code: str | None = None
) -> models.Department:
    """Add a department."""
    parent = await tx.get(models.Department, parent_department_id) if parent_department_id else None
    return tx.add(
        models.Department(name=name, parent_department_id=parent.id if parent else None, country_code=country_code)
    )


@command("hr.commission_plan.write")
async def define_commission_plan(
    tx: Transaction,
    name: str,
    tiers: tuple[models.CommissionTier, ...],
    basis: models.CommissionPlanBasis = models.CommissionPlanBasis.REVENUE,
    trigger: models.CommissionPlanTrigger = models.CommissionPlanTrigger.DEAL_WON,
    currency: str | None = None,
    period_kind: models.CommissionPlanPeriodKind = models.CommissionPlanPeriodKind.MONTH,
    accelerator: bool = False,
    quota_amount: Money | None = None,
    clawback_days: int | None = 90,
    valid_from: date | None = None,
    valid_to: date | None = None,
) -> models.CommissionPlan:
    """Define a commission plan; its currency is the tenant's unless another is named."""
    plan = models.CommissionPlan(
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
