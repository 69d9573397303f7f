"""Commands about people and departments (tier1.md, 4)."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func

from shared.commands.command import command
from shared.database.transaction import Transaction
from subgraphs.hr.models import (
    Department,
    Employee,
    EmployeeSeries,
    LeaveRequestKind,
    ManagerCycle,
    UserLogin,
    absence,
)

_DEEPEST = 100


@command("hr.department.write")
async def open_department(
    tx: Transaction, name: str, parent_department_id: UUID | None = None, country_code: str | None = None
) -> Department:
    """Add a department."""
    parent = await tx.get(Department, parent_department_id) if parent_department_id else None
    return tx.add(Department(name=name, parent_department_id=parent.id if parent else None, country_code=country_code))


@command("hr.employee.write")
async def hire_employee(
    tx: Transaction,
    full_name: str,
    department_id: UUID,
    hired_on: date,
    job_title: str | None = None,
    work_email: str | None = None,
    manager_id: UUID | None = None,
    fte: Decimal = Decimal(1),
) -> Employee:
    """Hire someone; who left before and comes back with the same work e-mail keeps record and number."""
    department = await tx.get(Department, department_id)
    same_mail = func.lower(Employee.work_email) == (work_email or "").lower()
    if work_email and (known := await tx.first_where(Employee, same_mail, lock=True)):
        tx.publish(known.rehire(department.id, job_title, hired_on))
        return known
    series = await tx.ensure(EmployeeSeries(), "prefix")
    employee = tx.add(
        Employee(
            employee_number=series.take(),
            full_name=full_name,
            work_email=work_email,
            department_id=department.id,
            job_title=job_title,
            manager_id=(await tx.get(Employee, manager_id)).id if manager_id else None,
            user_id=await _user_of(tx, work_email),
            hired_on=hired_on,
            fte=fte,
        )
    )
    tx.publish(employee.hired())
    return employee


async def _user_of(tx: Transaction, work_email: str | None) -> UUID | None:
    login = await tx.first_where(UserLogin, UserLogin.email == work_email.lower()) if work_email else None
    if login is None or await tx.first_where(Employee, Employee.user_id == login.user_id):
        return None
    return login.user_id


@command("hr.employee.write")
async def transfer_employee(
    tx: Transaction,
    employee_id: UUID,
    department_id: UUID,
    manager_id: UUID | None = None,
    effective_on: date | None = None,
) -> Employee:
    """Move someone to another department or manager."""
    employee = await tx.get(Employee, employee_id)
    department = await tx.get(Department, department_id)
    await _must_be_above(tx, employee, manager_id)
    tx.publish(employee.transfer(department.id, manager_id, effective_on or await tx.today()))
    return employee


async def _must_be_above(tx: Transaction, employee: Employee, manager_id: UUID | None) -> None:
    """Walk up from a manager; whoever is reached is above. HR-2. Raises ManagerCycle, NotFound."""
    above = await tx.get(Employee, manager_id) if manager_id else None
    for _ in range(_DEEPEST):
        if above is None:
            return
        if above is employee:
            break
        above = await tx.follow(Employee, above.manager_id) if above.manager_id else None
    raise ManagerCycle(employee.full_name)


@command("hr.employee.write")
async def terminate_employee(
    tx: Transaction, employee_id: UUID, left_on: date | None = None, reason: str | None = None
) -> Employee:
    """Set someone's last day; again with another date to change it, with none to withdraw it."""
    employee = await tx.get(Employee, employee_id)
    unused = Decimal(0)
    if left_on is not None:
        unused = await absence.balance_on(tx, employee.id, LeaveRequestKind.ANNUAL, left_on)
    employee.leaving_reason = reason if left_on else None
    tx.publish(employee.terminate(left_on, await tx.today(), unused))
    return employee
