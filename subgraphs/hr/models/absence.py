"""Steps of leave that take more than one row: balances, overlaps, accrual, the turn of the year."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, or_, select

from shared.database.transaction import Transaction
from shared.language import Phrase
from subgraphs.hr.models.leave import (
    LIVE,
    InsufficientBalance,
    LeaveLedgerLine,
    LeaveLedgerReason,
    LeavePolicy,
    LeaveRequest,
    LeaveRequestKind,
    LeaveRequestStatus,
    Overlap,
    WorkCalendar,
    accrued,
    up_to_half,
)
from subgraphs.hr.models.staff import Employee, EmployeeStatus


async def calendar_of(tx: Transaction) -> WorkCalendar:
    """Return the tenant's work calendar, Monday to Friday until another is set."""
    return await tx.ensure(WorkCalendar(name="default"), "name")


async def policy_of(tx: Transaction, kind: LeaveRequestKind) -> LeavePolicy | None:
    """Return the policy of a kind of leave; None where it needs no balance."""
    return await tx.first_where(LeavePolicy, LeavePolicy.kind == kind)


async def balance_on(tx: Transaction, employee_id: UUID, kind: LeaveRequestKind, on: date) -> Decimal:
    """Return the balance of a day: the sum of the ledger up to then, agreed leave of later days included (HR-3, HR-5)."""
    days = func.coalesce(func.sum(LeaveLedgerLine.days), 0)
    agreed = LeaveLedgerLine.reason.in_((LeaveLedgerReason.TAKEN, LeaveLedgerReason.CANCEL))
    counts = or_(LeaveLedgerLine.date <= on, agreed)
    statement = select(days).where(LeaveLedgerLine.employee_id == employee_id, LeaveLedgerLine.kind == kind, counts)
    return Decimal((await tx.session.execute(statement)).scalar_one())


async def must_not_overlap(tx: Transaction, request: LeaveRequest) -> None:
    """Check a person's requests against each other. HR-4. Raises Overlap."""
    found = await tx.first_where(
        LeaveRequest,
        LeaveRequest.employee_id == request.employee_id,
        LeaveRequest.status.in_(LIVE),
        LeaveRequest.starts_on <= request.ends_on,
        LeaveRequest.ends_on >= request.starts_on,
    )
    if found is not None:
        raise Overlap(Phrase("The leave {reference}", reference=found.reference), found.starts_on, found.ends_on)


async def take(tx: Transaction, request: LeaveRequest, employee: Employee) -> Decimal | None:
    """Book an agreed leave; return the balance after it, None for kinds without balance (HR-5).

    The balance counts at the start date, with what is accrued until then. Raises InsufficientBalance.
    """
    policy = await policy_of(tx, request.kind)
    if policy is None or request.kind is LeaveRequestKind.SICK:
        return None
    before = await balance_on(tx, request.employee_id, request.kind, request.starts_on)
    before += await _still_to_come(tx, policy, employee, request.starts_on)
    if before - request.days < -policy.allow_negative_days:
        raise InsufficientBalance(request.days, before)
    tx.add(_line(request, -request.days, LeaveLedgerReason.TAKEN, f"leave:{request.id}"))
    return before - request.days


async def give_back(tx: Transaction, request: LeaveRequest) -> None:
    """Book a cancelled leave back, if it was booked."""
    key = f"leave:{request.id}"
    if await tx.first_where(LeaveLedgerLine, LeaveLedgerLine.source_key == key):
        tx.add(_line(request, request.days, LeaveLedgerReason.CANCEL, f"{key}:cancel"))


async def accrue_month(tx: Transaction, month: date) -> Sequence[Employee]:
    """Book what everyone earned in a month, once; December also turns the year (HR-3, HR-6). Return who was served."""
    month = month.replace(day=1)
    last = (month.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    employed = Employee.status != EmployeeStatus.CANDIDATE
    here = or_(Employee.left_on.is_(None), Employee.left_on >= month)
    people = await tx.all(select(Employee).where(employed, here, Employee.hired_on <= last).order_by(Employee.id))
    for policy in await tx.all(select(LeavePolicy).order_by(LeavePolicy.kind)):
        for person in people:
            earned = accrued(policy, person.fte, person.hired_on, person.left_on, month)
            await _book(tx, person, policy, last, earned, LeaveLedgerReason.ACCRUAL, f"accrual:{month:%Y-%m}")
            await _expire_carried(tx, person, policy, last)
            if month.month == 12:
                await _turn_year(tx, person, policy, last)
    return people


async def turn_day(tx: Transaction, today: date) -> None:
    """Bring states in line with a day: agreed leave that began is TAKEN, who is away is ON_LEAVE, who left has LEFT."""
    begun = select(LeaveRequest).where(
        LeaveRequest.status == LeaveRequestStatus.APPROVED, LeaveRequest.starts_on <= today
    )
    for request in await tx.all(begun.with_for_update()):
        request.status = LeaveRequestStatus.TAKEN
    await tx.session.flush()
    away = select(LeaveRequest.employee_id).where(
        LeaveRequest.status == LeaveRequestStatus.TAKEN, LeaveRequest.starts_on <= today, LeaveRequest.ends_on >= today
    )
    here = Employee.status.in_((EmployeeStatus.ACTIVE, EmployeeStatus.ON_LEAVE, EmployeeStatus.NOTICE))
    gone = set((await tx.session.scalars(away)).all())
    for person in await tx.all(select(Employee).where(here).order_by(Employee.id).with_for_update()):
        person.begin_day(today, is_away=person.id in gone)


async def _turn_year(tx: Transaction, person: Employee, policy: LeavePolicy, last: date) -> None:
    """Round up to half a day, carry over what the policy allows, let the rest expire (HR-3, HR-6)."""
    left = await balance_on(tx, person.id, policy.kind, last)
    rounded = up_to_half(left) if left > 0 else left
    await _book(tx, person, policy, last, rounded - left, LeaveLedgerReason.ADJUSTMENT, f"rounding:{last.year}")
    lost = max(rounded - policy.carry_over_max, Decimal(0))
    await _book(tx, person, policy, last, -lost, LeaveLedgerReason.EXPIRY, f"expiry:{last.year}")


async def _expire_carried(tx: Transaction, person: Employee, policy: LeavePolicy, last: date) -> None:
    """Let carried days expire at the end of the policy's month; what was taken this year used them first (HR-6)."""
    if last.month != policy.carry_over_expiry_month:
        return
    new_year = date(last.year, 1, 1)
    carried = await _sum(tx, person, policy, LeaveLedgerLine.date < new_year)
    used = -await _sum(
        tx,
        person,
        policy,
        LeaveLedgerLine.date >= new_year,
        LeaveLedgerLine.date <= last,
        LeaveLedgerLine.reason.in_((LeaveLedgerReason.TAKEN, LeaveLedgerReason.CANCEL)),
    )
    lost = max(carried - used, Decimal(0))
    await _book(tx, person, policy, last, -lost, LeaveLedgerReason.EXPIRY, f"carried:{last.year}")


async def _still_to_come(tx: Transaction, policy: LeavePolicy, person: Employee, until: date) -> Decimal:
    """Return what will be accrued after the last booked month and before a day (HR-5)."""
    kind = LeaveLedgerLine.kind == policy.kind
    accrual = LeaveLedgerLine.reason == LeaveLedgerReason.ACCRUAL
    statement = select(func.max(LeaveLedgerLine.date)).where(LeaveLedgerLine.employee_id == person.id, kind, accrual)
    booked = (await tx.session.execute(statement)).scalar_one()
    month = (booked + timedelta(days=1)) if booked else max(person.hired_on, (await tx.today()).replace(day=1))
    month, total = month.replace(day=1), Decimal(0)
    while (following := (month + timedelta(days=31)).replace(day=1)) <= until:
        total += accrued(policy, person.fte, person.hired_on, person.left_on, month)
        month = following
    return total


async def _sum(tx: Transaction, person: Employee, policy: LeavePolicy, *conditions: object) -> Decimal:
    mine = (LeaveLedgerLine.employee_id == person.id, LeaveLedgerLine.kind == policy.kind)
    statement = select(func.coalesce(func.sum(LeaveLedgerLine.days), 0)).where(*mine, *conditions)  # pyright: ignore[reportArgumentType]
    return Decimal((await tx.session.execute(statement)).scalar_one())


async def _book(
    tx: Transaction,
    person: Employee,
    policy: LeavePolicy,
    on: date,
    days: Decimal,
    reason: LeaveLedgerReason,
    key: str,
) -> None:
    if days:
        source_key = f"{key}:{person.id}:{policy.kind}"
        line = LeaveLedgerLine(
            employee_id=person.id, kind=policy.kind, date=on, days=days, reason=reason, source_key=source_key
        )
        await tx.ensure(line, "source_key")


def _line(request: LeaveRequest, days: Decimal, reason: LeaveLedgerReason, key: str) -> LeaveLedgerLine:
    return LeaveLedgerLine(
        employee_id=request.employee_id,
        kind=request.kind,
        date=request.starts_on,
        days=days,
        reason=reason,
        source_key=key,
    )
