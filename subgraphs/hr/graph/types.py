"""Types of people, leave and commissions, and HR's fields on deals and user accounts."""

from uuid import UUID

from sqlalchemy import select

from shared.database.transaction import Transaction
from shared.graph.entity import batched, entity, extend, field_of_row
from shared.graph.rows import related
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


@entity(
    models.LeaveRequest,
    filters=("employee_id", "status", "kind", "starts_on", "ends_on"),
    sort=("starts_on", "created_at"),
)
class LeaveRequest:
    """Someone asks to be away."""


@entity(models.LeavePolicy, filters=("kind",))
class LeavePolicy:
    """How many days of a kind people get, and what becomes of those left at year end."""


@entity(models.WorkCalendar, filters=("name",))
class WorkCalendar:
    """Which days are worked: weekdays 1 (Monday) to 7, less public holidays."""


@entity(models.CommissionPlan, filters=("name", "trigger", "valid_from", "valid_to"), sort=("name", "created_at"))
class CommissionPlan:
    """Rates by tiers on the base of a period, all in one currency."""

    @field_of_row
    @staticmethod
    def tier_table(plan: models.CommissionPlan) -> str:
        """The tiers in words: `0: 5 %, 10000: 8 %`."""
        return ", ".join(f"{tier.from_amount:f}: {tier.rate_pct:f} %" for tier in plan.tiers)


@entity(models.PlanAssignment, filters=("employee_id", "plan_id", "valid_from"), sort=("valid_from", "created_at"))
class PlanAssignment:
    """A plan applies to someone for some time, for a share of what they sell."""


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
