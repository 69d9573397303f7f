"""Commands and questions about leave (tier1.md, 4)."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from shared.commands.command import command
from shared.database.transaction import Transaction
from shared.errors import Forbidden, Invalid
from shared.graph.entity import query
from shared.values import Part
from shared.wire.principal import RowScope
from subgraphs.hr.models import (
    Employee,
    LeaveAccrual,
    LeaveHalfDay,
    LeavePolicy,
    LeaveRequest,
    LeaveRequestKind,
    LeaveRequestStatus,
    NotApprover,
    SelfApproval,
    WorkCalendar,
    absence,
)

_AWAY = (LeaveRequestStatus.APPROVED, LeaveRequestStatus.TAKEN)


class LeaveBalance(Part):
    """How many days of a kind someone has on a day."""

    kind: LeaveRequestKind
    days: Decimal


@command("hr.leave.request", queueable="1h")
async def request_leave(
    tx: Transaction,
    starts_on: date,
    ends_on: date,
    kind: LeaveRequestKind = LeaveRequestKind.ANNUAL,
    half_day: LeaveHalfDay | None = None,
    employee_id: UUID | None = None,
) -> LeaveRequest:
    """Ask for leave, for oneself unless HR names another."""
    own = employee_id or tx.principal.employee
    if own is None:
        raise Invalid("You are not an employee here: say who the leave is for.", "employeeId")
    _must_reach(tx, "hr.leave.request", own)
    employee = await (tx.get if employee_id else tx.follow)(Employee, own)
    request = LeaveRequest(
        reference=f"{employee.employee_number}/{starts_on}",
        employee_id=employee.id,
        starts_on=starts_on,
        ends_on=ends_on,
        days=Decimal(0),
        kind=kind,
        half_day=half_day,
    )
    request.plan((await absence.calendar_of(tx)).working_days(starts_on, ends_on))
    await absence.must_not_overlap(tx, request)
    tx.add(request)
    tx.publish(request.requested(employee.manager_id))
    return request


@command("hr.leave.approve")
async def approve_leave(tx: Transaction, id: UUID) -> LeaveRequest:
    """Agree to a leave, if the balance reaches."""
    request = await tx.get(LeaveRequest, id)
    employee = await _decide(tx, request)
    fact = request.approve(await absence.take(tx, request, employee))
    tx.publish(fact)
    return request


@command("hr.leave.approve")
async def reject_leave(tx: Transaction, id: UUID, reason: str) -> LeaveRequest:
    """Refuse a leave."""
    request = await tx.get(LeaveRequest, id)
    await _decide(tx, request)
    request.reject(reason)
    return request


async def _decide(tx: Transaction, request: LeaveRequest) -> Employee:
    """Return whose leave it is, if the caller decides on it. Raises SelfApproval, NotApprover."""
    employee = await tx.follow(Employee, request.employee_id)
    caller = tx.principal.employee
    if caller is not None and caller == employee.id:
        raise SelfApproval
    if tx.principal.scope("hr.leave.approve") is not RowScope.TENANT and caller != employee.manager_id:
        raise NotApprover
    return employee


@command("hr.leave.request")
async def cancel_leave(tx: Transaction, id: UUID) -> LeaveRequest:
    """Give a leave up; once it has begun only HR can."""
    request = await tx.get(LeaveRequest, id)
    by_hr = tx.principal.scope("hr.leave.approve") is RowScope.TENANT
    if fact := request.cancel(await tx.today(), by_hr=by_hr):
        await absence.give_back(tx, request)
        tx.publish(fact)
    return request


@command("hr.leave.accrue")
async def accrue_leave(tx: Transaction, period: str) -> list[Employee]:
    """Book what everyone earned in a month (`2026-03`), once; December also turns the year."""
    try:
        month = date.fromisoformat(f"{period}-01")
    except ValueError as error:
        raise Invalid("{period!r} is no month: write it like 2026-03.", "period", period=period) from error
    return list(await absence.accrue_month(tx, month))


@command("hr.settings.write")
async def define_leave_policy(
    tx: Transaction,
    kind: LeaveRequestKind,
    days_per_year: Decimal,
    accrual: LeaveAccrual = LeaveAccrual.MONTHLY,
    carry_over_max: Decimal = Decimal(5),
    carry_over_expiry_month: int = 3,
    allow_negative_days: Decimal = Decimal(0),
) -> LeavePolicy:
    """Say how many days of a kind people get."""
    policy = await tx.ensure(LeavePolicy(kind=kind, days_per_year=days_per_year), "kind")
    policy.days_per_year, policy.accrual = days_per_year, accrual
    policy.carry_over_max, policy.carry_over_expiry_month = carry_over_max, carry_over_expiry_month
    policy.allow_negative_days = allow_negative_days
    return policy


@command("hr.settings.write")
async def set_work_calendar(
    tx: Transaction,
    weekdays: tuple[int, ...] = (1, 2, 3, 4, 5),
    public_holidays: tuple[date, ...] = (),
    hours_per_day: Decimal = Decimal(8),
) -> WorkCalendar:
    """Say which days are worked."""
    calendar = await absence.calendar_of(tx)
    calendar.weekdays, calendar.public_holidays, calendar.hours_per_day = weekdays, public_holidays, hours_per_day
    return calendar


@query("hr.leave_request.read")
async def leave_balance(tx: Transaction, employee_id: UUID, as_of: date | None = None) -> list[LeaveBalance]:
    """Return someone's balances on a day, agreed leave counted."""
    _must_reach(tx, "hr.leave_request.read", employee_id)
    on = as_of or await tx.today()
    kinds = [policy.kind for policy in await tx.all(select(LeavePolicy).order_by(LeavePolicy.kind))]
    return [LeaveBalance(kind=kind, days=await absence.balance_on(tx, employee_id, kind, on)) for kind in kinds]


@query("hr.employee.read")
async def absences(
    tx: Transaction, starts_on: date, ends_on: date, department_id: UUID | None = None
) -> list[LeaveRequest]:
    """Return who is away in a span of days, at most 500; why they are only tells who may read the leave itself."""
    meets = (LeaveRequest.starts_on <= ends_on, LeaveRequest.ends_on >= starts_on, LeaveRequest.status.in_(_AWAY))
    statement = select(LeaveRequest).where(*meets).order_by(LeaveRequest.starts_on, LeaveRequest.id).limit(500)
    if department_id is not None:
        of_department = select(Employee.id).where(Employee.department_id == department_id)
        statement = statement.where(LeaveRequest.employee_id.in_(of_department))
    return list(await tx.all(statement))


def _must_reach(tx: Transaction, permission: str, employee_id: UUID) -> None:
    """Check that the caller's row scope reaches a person. Raises Forbidden."""
    scope, own = tx.principal.scope(permission), tx.principal.employee
    in_team = scope is RowScope.TEAM and employee_id in tx.principal.team
    if scope is not RowScope.TENANT and employee_id != own and not in_team:
        raise Forbidden(permission)
