"""Fixture F0 as far as HR knows it: Bo under plan P1 (0 from 5 %, 10,000 from 8 %), in one tenant."""

from collections.abc import Awaitable, Callable
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import pytest

from shared.wire.principal import Principal
from subgraphs.hr import models
from tests.modules import RunningModule, Starter, until

TIERS = (
    models.CommissionTier(from_amount=Decimal(0), rate_pct=Decimal(5)),
    models.CommissionTier(from_amount=Decimal(10000), rate_pct=Decimal(8)),
)


class Story:
    """Fixture F0 as far as HR knows it: Bo under plan P1."""

    def __init__(self, hr: RunningModule, ada: Principal, bo: UUID, plan: UUID) -> None:
        self.hr, self.ada, self.bo, self.plan = hr, ada, bo, plan

    @property
    def tenant(self) -> UUID:
        """The tenant's id."""
        assert self.ada.tenant is not None
        return self.ada.tenant

    @classmethod
    async def begin(cls, hr: RunningModule, **plan: Any) -> "Story":
        ada = await hr.new_tenant()
        async with hr.transaction(ada) as tx:
            sales = tx.add(models.Department(name="Sales"))
            bo = tx.add(
                models.Employee(
                    employee_number="E-BO", full_name="Bo", department_id=sales.id, hired_on=date(2025, 1, 1)
                )
            )
            p1 = tx.add(models.CommissionPlan(name="P1", currency="CNY", tiers=TIERS, **plan))
            tx.add(models.PlanAssignment(employee_id=bo.id, plan_id=p1.id, valid_from=date(2026, 1, 1)))
        return cls(hr, ada, bo.id, p1.id)

    def deal(self, number: int = 1) -> UUID:
        return uuid5(self.tenant, f"{number}")

    async def won(
        self, number: int, sequence: int, amount: str, closing_no: int = 1, currency: str = "CNY", **more: Any
    ) -> UUID:
        event_id = more.pop("id", None)
        data = {
            "dealId": str(self.deal(number)),
            "closingNo": closing_no,
            "title": "Brand refresh",
            "customerId": str(self.deal(0)),
            "salespersonId": str(self.bo),
            "salesTeam": [],
            "amount": {"amount": amount, "currency": currency},
            "lines": [],
            "closedOn": "2026-03-10",
            "closedAt": f"2026-03-10T02:{number:02d}:00Z",
            **more,
        }
        extra = {"id": event_id} if event_id else {}
        return await self.hr.publish(self.tenant, "deal.close.won", "Deal", self.deal(number), sequence, data, **extra)

    async def reopened(self, number: int, sequence: int, closing_no: int = 1) -> None:
        data = {"dealId": str(self.deal(number)), "closingNo": closing_no, "previousStatus": "WON", "reason": "x"}
        await self.hr.publish(self.tenant, "deal.reopened", "Deal", self.deal(number), sequence, data)

    async def applied(self, key: str, sequence: int) -> None:
        async def done() -> bool:
            rows = await self.rows("select last_sequence from kit.inbox_key where key = $1", key)
            return bool(rows) and rows[0]["last_sequence"] >= sequence

        await until(done)

    async def heard(self, number: int, sequence: int) -> None:
        await self.applied(f"Deal/{self.deal(number)}", sequence)

    async def entries(self) -> list[dict[str, Any]]:
        return await self.rows("select * from commission_entry order by source_key")

    async def rows(self, statement: str, *args: Any) -> list[dict[str, Any]]:
        """Return rows of the tenant."""
        return await self.hr.rows(self.tenant, statement, *args)

    async def told(self, event_type: str) -> list[dict[str, Any]]:
        """Return the events of a type that are on the stream."""
        return await self.hr.outgoing(self.tenant, event_type)

    async def hear(self, event_type: str, aggregate: str, label: str, sequence: int, **data: Any) -> None:
        """Let HR hear another module's event, and wait until it has."""
        subject = uuid5(self.tenant, label)
        await self.hr.publish(self.tenant, event_type, aggregate, subject, sequence, data)
        await self.applied(f"{aggregate}/{subject}", sequence)

    async def command(self, name: str, selection: str, /, **arguments: Any) -> Any:
        """Call a command; return its payload."""
        return await self.hr.command(self.ada, name, selection, **arguments)

    async def as_employee(self, employee: UUID, *permissions: str) -> Principal:
        """Return a principal that is an employee with some permissions."""
        return Principal(tenant=self.tenant, user=uuid5(employee, "user"), permissions=permissions, employee=employee)


Beginning = Callable[..., Awaitable[Story]]


@pytest.fixture
async def begin(start_module: Starter) -> Beginning:
    """Begin the story in a new tenant; arguments change the plan."""
    hr = await start_module("hr")

    async def begin(**plan: Any) -> Story:
        return await Story.begin(hr, **plan)

    return begin
