"""Departments and the people in them (HR-1, HR-2)."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.values import Ref, Searchable


class EmployeeStatus(StrEnum):
    """Where someone stands with the firm."""

    CANDIDATE = "CANDIDATE"
    ACTIVE = "ACTIVE"
    ON_LEAVE = "ON_LEAVE"
    NOTICE = "NOTICE"
    LEFT = "LEFT"


class Department(Entity):
    """A part of the firm."""

    __indexes__ = (("name",),)

    name: Mapped[Annotated[str, Field(min_length=1, max_length=200), Searchable()]]
    parent_department_id: Mapped[Annotated[UUID | None, Ref("Department", reverse="subdepartments")]] = default(None)
    manager_id: Mapped[Annotated[UUID | None, Ref("Employee", reverse="")]] = default(None)
    country_code: Mapped[Annotated[str | None, Field(pattern="^[A-Z]{2}$")]] = default(None)
    active: Mapped[bool] = default(True)


class Employee(Entity):
    """Someone who works here, or did."""

    __owner__ = "id"
    __unique__ = (("employee_number",), ("user_id",))
    __indexes__ = (("full_name",), ("status", "full_name"), ("work_email",))

    employee_number: Mapped[Annotated[str, Field(min_length=1, max_length=20)]]
    full_name: Mapped[Annotated[str, Field(min_length=1, max_length=200), Searchable()]]
    department_id: Mapped[Annotated[UUID, Ref("Department")]]
    hired_on: Mapped[date]
    work_email: Mapped[Annotated[str | None, Field(max_length=320)]] = default(None)
    job_title: Mapped[Annotated[str | None, Field(max_length=100)]] = default(None)
    manager_id: Mapped[Annotated[UUID | None, Ref("Employee", reverse="reports")]] = default(None)
    user_id: Mapped[Annotated[UUID | None, Ref("identity.UserAccount")]] = default(None)
    left_on: Mapped[date | None] = default(None)
    fte: Mapped[Annotated[Decimal, Field(gt=0, le=1)]] = default(Decimal(1))
    status: Mapped[EmployeeStatus] = default(EmployeeStatus.ACTIVE)
