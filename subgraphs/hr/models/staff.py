"""Departments and the people in them (HR-1, HR-2)."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import IllegalState, Invalid, Refusal
from shared.values import Personal, Ref, Searchable, Sensitive
from subgraphs.hr.events import EmployeeHired, EmployeeTerminated, EmployeeTransferred


class EmployeeStatus(StrEnum):
    """Where someone stands with the firm."""

    CANDIDATE = "CANDIDATE"
    ACTIVE = "ACTIVE"
    ON_LEAVE = "ON_LEAVE"
    NOTICE = "NOTICE"
    LEFT = "LEFT"


class ManagerCycle(Refusal):
    """Nobody is above themselves (HR-2)."""

    code = "MANAGER_CYCLE"

    def __init__(self, name: str) -> None:
        """Name the person."""
        super().__init__("{name} would be their own superior: choose another manager.", name=name)


class Department(Entity):
    """A part of the firm."""

    __indexes__ = (("name",),)

    name: Mapped[Annotated[str, Field(min_length=1, max_length=200), Searchable()]]
    parent_department_id: Mapped[Annotated[UUID | None, Ref("Department", reverse="subdepartments")]] = default(None)
    manager_id: Mapped[Annotated[UUID | None, Ref("Employee", reverse="")]] = default(None)
    country_code: Mapped[Annotated[str | None, Field(pattern="^[A-Z]{2}$")]] = default(None)
    active: Mapped[bool] = default(True)


class EmployeeSeries(Entity):
    """The next employee number; none is ever used again (HR-1)."""

    __unique__ = (("prefix",),)

    prefix: Mapped[str] = default("E-")
    next_number: Mapped[int] = default(1)

    def take(self) -> str:
        """Return the next number and use it up."""
        number, self.next_number = f"{self.prefix}{self.next_number:05d}", self.next_number + 1
        return number


_EMPLOYEE = Personal("id", "work_email")
_BY_LAW = Personal("id", "work_email", keep="Who worked here is kept with the pay records, as labour law asks.")

_Why = Annotated[str | None, Field(max_length=500), Sensitive("hr.employee.write"), _EMPLOYEE]


class Employee(Entity):
    """Someone who works here, or did."""

    __owner__ = "id"
    __unique__ = (("employee_number",), ("user_id",))
    __indexes__ = (("full_name",), ("status", "full_name"), ("work_email",))

    employee_number: Mapped[Annotated[str, Field(min_length=1, max_length=20)]]
    full_name: Mapped[Annotated[str, Field(min_length=1, max_length=200), Searchable(), _BY_LAW]]
    department_id: Mapped[Annotated[UUID, Ref("Department")]]
    hired_on: Mapped[date]
    work_email: Mapped[Annotated[str | None, Field(max_length=320), _EMPLOYEE]] = default(None)
    job_title: Mapped[Annotated[str | None, Field(max_length=100), _EMPLOYEE]] = default(None)
    manager_id: Mapped[Annotated[UUID | None, Ref("Employee", reverse="reports")]] = default(None)
    user_id: Mapped[Annotated[UUID | None, Ref("identity.UserAccount"), _EMPLOYEE]] = default(None)
    left_on: Mapped[date | None] = default(None)
    leaving_reason: Mapped[_Why] = default(None)
    fte: Mapped[Annotated[Decimal, Field(gt=0, le=1)]] = default(Decimal(1))
    status: Mapped[EmployeeStatus] = default(EmployeeStatus.ACTIVE)

    def hired(self) -> EmployeeHired:
        """Return the fact that this person joins."""
        return EmployeeHired.of(self)

    def transfer(self, department_id: UUID, manager_id: UUID | None, on: date) -> EmployeeTransferred:
        """Change department and manager, and return the fact. Raises IllegalState for someone who left."""
        self._must_work_here()
        before, self.department_id, self.manager_id = self.department_id, department_id, manager_id
        return EmployeeTransferred.of(self, from_department_id=before, to_department_id=department_id, effective_on=on)

    def terminate(self, left_on: date | None, today: date, unused_leave_days: Decimal) -> EmployeeTerminated:
        """Set the last day, another one, or none after all; return the fact. HR-1, HR-15. Raises Invalid."""
        if left_on is not None and left_on < self.hired_on:
            raise Invalid(
                "{full_name} was hired on {hired_on}: the last day can't be before.",
                "leftOn",
                full_name=self.full_name,
                hired_on=self.hired_on,
            )
        self.left_on = left_on
        gone = EmployeeStatus.LEFT if left_on and left_on < today else EmployeeStatus.NOTICE
        self.status = gone if left_on else EmployeeStatus.ACTIVE
        return EmployeeTerminated.of(self, unused_leave_days=unused_leave_days)

    def rehire(self, department_id: UUID, job_title: str | None, on: date) -> EmployeeHired:
        """Take someone back who left: a new employment on the same record (HR-1). Raises IllegalState."""
        if self.status is not EmployeeStatus.LEFT or (self.left_on and on <= self.left_on):
            raise IllegalState(
                "{full_name} ({employee_number}) works here already.",
                full_name=self.full_name,
                employee_number=self.employee_number,
            )
        self.status, self.hired_on, self.left_on = EmployeeStatus.ACTIVE, on, None
        self.department_id, self.job_title = department_id, job_title or self.job_title
        return self.hired()

    def begin_day(self, today: date, *, is_away: bool) -> None:
        """Be LEFT the day after the last one, ON_LEAVE while away, else as before; notice outlasts leave."""
        if self.left_on is not None:
            self.status = EmployeeStatus.LEFT if self.left_on < today else EmployeeStatus.NOTICE
        else:
            self.status = EmployeeStatus.ON_LEAVE if is_away else EmployeeStatus.ACTIVE

    def _must_work_here(self) -> None:
        if self.status is EmployeeStatus.LEFT:
            raise IllegalState("{full_name} left on {left_on}.", full_name=self.full_name, left_on=self.left_on)
