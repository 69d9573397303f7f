"""What salespeople earn: tiers, order, reopening (S1, S3, S4, S5; HR-7 to HR-14)."""

from datetime import date
from decimal import Decimal
from itertools import permutations
from typing import Any
from uuid import UUID, uuid5

import pytest

from shared.wire.principal import Principal
from subgraphs.hr import models
from tests.modules import RunningModule, Starter, until

pytestmark = pytest.mark.anyio
_IDS = UUID("00000000-0000-4000-8000-000000000002")
TIERS = (
    models.CommissionTier(from_amount=Decimal(0), rate_pct=Decimal(5)),
    models.CommissionTier(from_amount=Decimal(10000), rate_pct=Decimal(8)),
)


@pytest.fixture
async def hr(start_module: Starter) -> RunningModule:
    return await start_module("hr")


class Story:
    """Fixture F0 as far as HR knows it: Bo under plan P1."""

    def __init__(self, hr: RunningModule, ada: Principal, bo: UUID, plan: UUID) -> None:
        self.hr, self.ada, self.bo, self.plan = hr, ada, bo, plan

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
        return uuid5(_IDS, f"{self.ada.tenant}/{number}")

    async def won(self, number: int, sequence: int, amount: str, closing_no: int = 1, **more: Any) -> UUID:
        event_id = more.pop("id", None)
        data = {
            "dealId": str(self.deal(number)),
            "closingNo": closing_no,
            "title": "Brand refresh",
            "customerId": str(self.deal(0)),
            "salespersonId": str(self.bo),
            "salesTeam": [],
            "amount": {"amount": amount, "currency": "CNY"},
            "lines": [],
            "closedOn": "2026-03-10",
            "closedAt": f"2026-03-10T02:{number:02d}:00Z",
            **more,
        }
        extra = {"id": event_id} if event_id else {}
        return await self.hr.publish(
            self.ada.tenant, "deal.close.won", "Deal", self.deal(number), sequence, data, **extra
        )

    async def reopened(self, number: int, sequence: int, closing_no: int = 1) -> None:
        data = {"dealId": str(self.deal(number)), "closingNo": closing_no, "previousStatus": "WON", "reason": "x"}
        await self.hr.publish(self.ada.tenant, "deal.reopened", "Deal", self.deal(number), sequence, data)

    async def applied(self, key: str, sequence: int) -> None:
        async def done() -> bool:
            rows = await self.hr.rows(self.ada.tenant, "select last_sequence from kit.inbox_key where key = $1", key)
            return bool(rows) and rows[0]["last_sequence"] >= sequence

        await until(done)

    async def heard(self, number: int, sequence: int) -> None:
        await self.applied(f"Deal/{self.deal(number)}", sequence)

    async def entries(self) -> list[dict[str, Any]]:
        return await self.hr.rows(self.ada.tenant, "select * from commission_entry order by source_key")


async def test_a_won_deal_accrues_by_the_tiers_of_the_plan(hr: RunningModule) -> None:
    """S1.4, HR-7"""
    story = await Story.begin(hr)

    cause = await story.won(1, 4, "24000.00")

    await story.heard(1, 4)
    (entry,) = await story.entries()
    assert entry["source_key"] == f"deal:{story.deal()}:1:{story.bo}:{story.plan}"
    assert (entry["kind"], entry["status"], entry["period_label"]) == ("ACCRUAL", "ACCRUED", "2026-03")
    assert (entry["base_amount_amount"], entry["amount_amount"]) == (24000, 1620)
    assert entry["rate_pct"] == Decimal("6.75")

    async def published() -> bool:
        return len(await hr.outgoing(story.ada.tenant, "commission.accrued")) == 1

    await until(published)
    (accrued,) = await hr.outgoing(story.ada.tenant, "commission.accrued")
    assert accrued["causationid"] == accrued["correlationid"] == str(cause)
    assert accrued["data"]["amount"] == {"amount": "1620.00", "currency": "CNY"}


async def test_the_same_closing_told_again_accrues_nothing(hr: RunningModule) -> None:
    """S4, HR-8"""
    story = await Story.begin(hr)
    first = await story.won(1, 1, "24000.00")
    await story.heard(1, 1)

    await story.won(1, 1, "24000.00", id=first)
    await story.won(1, 2, "24000.00")
    await story.heard(1, 2)

    assert [entry["amount_amount"] for entry in await story.entries()] == [1620]


async def test_won_reopened_and_won_again_leaves_the_commission_of_the_second_closing(hr: RunningModule) -> None:
    """S5: 10 000 at 5 % and 20 000 at 8 %."""
    story = await Story.begin(hr)

    await story.won(1, 4, "24000.00")
    await story.reopened(1, 5)
    await story.won(1, 6, "30000.00", closing_no=2)

    await story.heard(1, 6)
    entries = await story.entries()
    assert [(one["status"], one["amount_amount"]) for one in entries] == [("REVERSED", 0), ("ACCRUED", 2100)]


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
async def test_facts_of_a_deal_told_under_new_ids_in_any_order_give_the_same(
    hr: RunningModule, order: tuple[int, ...]
) -> None:
    """S5: business keys hold where the inbox can't know."""
    story = await Story.begin(hr)

    for sequence, which in enumerate(order, start=1):
        if which == 2:
            await story.reopened(1, sequence)
        else:
            await story.won(1, sequence, "24000.00" if which == 1 else "30000.00", closing_no=1 if which == 1 else 2)

    await story.heard(1, 3)
    live = [one for one in await story.entries() if one["status"] != "REVERSED"]
    assert [(one["amount_amount"], one["base_amount_amount"]) for one in live] == [(2100, 30000)]


async def test_arrival_order_does_not_matter_for_the_tiers(hr: RunningModule) -> None:
    """HR-7, S3 in small: 12 deals of 1 000 each, the seventh reopened; told backwards."""
    story = await Story.begin(hr)

    for number in range(12, 0, -1):
        await story.won(number, 1, "1000.00")
    await story.reopened(7, 2)
    for number in range(1, 13):
        await story.heard(number, 2 if number == 7 else 1)

    entries = sorted(await story.entries(), key=lambda one: one["closed_at"])
    assert [int(one["amount_amount"]) for one in entries] == [50] * 6 + [0] + [50] * 4 + [80]
    assert [one["status"] for one in entries].count("REVERSED") == 1


async def test_a_deal_without_salesperson_is_noted_and_no_error(hr: RunningModule) -> None:
    """HR-10"""
    story = await Story.begin(hr)

    await story.won(1, 1, "24000.00", salespersonId=None)

    await story.heard(1, 1)
    assert await story.entries() == []
    (closing,) = await hr.rows(story.ada.tenant, "select note from deal_closing")
    assert closing["note"] == "no salesperson"
