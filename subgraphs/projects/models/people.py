"""Customers and employees as Projects knows them: copies kept by events."""

from uuid import UUID

from sqlalchemy import func, select, update

from shared.database import alias
from shared.database.transaction import Transaction
from subgraphs.projects.models.projects import CustomerAlias, KnownCustomer, KnownEmployee, Project
from subgraphs.projects.models.time import BillableBatch


async def customer(tx: Transaction, customer_id: UUID) -> KnownCustomer:
    """Return the customer that stands for this one now; merges wait until this transaction is through.

    One that was never heard of is noted without a name.
    """
    survivor = await alias.survivor_of(tx, CustomerAlias, customer_id)
    found = await tx.first_where(KnownCustomer, KnownCustomer.customer_id == survivor)
    return found or await tx.ensure(KnownCustomer(customer_id=survivor), "customer_id")


async def name_customer(tx: Transaction, customer_id: UUID, name: str) -> None:
    """Keep a customer's name."""
    (await tx.ensure(KnownCustomer(customer_id=customer_id, name=name), "customer_id")).name = name


async def merge_customer(tx: Transaction, merged_id: UUID, survivor_id: UUID) -> None:
    """Put a merged customer's projects and batches under the survivor (tier1.md, 0, "Merged customers")."""
    survivor = await alias.merge(tx, CustomerAlias, merged_id, survivor_id)
    for model in (Project, BillableBatch):
        await tx.session.execute(
            update(model)
            .where(model.customer_id == merged_id)
            .values(customer_id=survivor, version=model.version + 1, updated_at=tx.now())
        )


async def employee(tx: Transaction, employee_id: UUID) -> KnownEmployee:
    """Return an employee; one that was never heard of is noted without a name."""
    found = await tx.first_where(KnownEmployee, KnownEmployee.employee_id == employee_id)
    return found or await tx.ensure(KnownEmployee(employee_id=employee_id), "employee_id")


async def note_caller(tx: Transaction) -> UUID | None:
    """Return who works here: the caller's employee id, whose login is noted; the user where there is no employee.

    A studio without HR has users only: its time is kept under their ids.
    """
    if tx.principal.employee is None:
        return tx.principal.user
    known = await employee(tx, tx.principal.employee)
    if tx.principal.user is not None:
        known.user_id = tx.principal.user
    return known.employee_id


async def works_alone(tx: Transaction) -> bool:
    """Tell whether the tenant has one person only, who then approves their own time (PRJ-8)."""
    here = select(func.count(KnownEmployee.id)).where(KnownEmployee.left_on.is_(None))
    return (await tx.session.execute(here)).scalar_one() <= 1
