"""Commissions of deals: tiers, order, reopening (S1, S3, S4, S5; HR-7 to HR-10)."""

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from tests.modules import until

pytestmark = pytest.mark.anyio


async def test_a_won_deal_accrues_by_the_tiers_of_the_plan(begin: Any) -> None:
    """S1.4, HR-7"""
    story = await begin()

    cause = await story.won(1, 4, "24000.00")

    await story.heard(1, 4)
    (entry,) = await story.entries()
    assert entry["source_key"] == f"deal:{story.deal()}:1:{story.bo}:{story.plan}"
    assert (entry["kind"], entry["status"], entry["period_label"]) == ("ACCRUAL", "ACCRUED", "2026-03")
    assert (entry["base_amount_amount"], entry["amount_amount"]) == (24000, 1620)
    assert entry["rate_pct"] == Decimal("6.75")

    async def published() -> bool:
        return len(await story.told("commission.accrued")) == 1

    await until(published)
    (accrued,) = await story.told("commission.accrued")
    assert accrued["causationid"] == accrued["correlationid"] == str(cause)
    assert accrued["data"]["amount"] == {"amount": "1620.00", "currency": "CNY"}


async def test_the_same_closing_told_again_accrues_nothing(begin: Any) -> None:
    """S4, HR-8"""
    story = await begin()
    first = await story.won(1, 1, "24000.00")
    await story.heard(1, 1)

    await story.won(1, 1, "24000.00", id=first)
    await story.won(1, 2, "24000.00")
    await story.heard(1, 2)

    assert [entry["amount_amount"] for entry in await story.entries()] == [1620]


async def test_won_reopened_and_won_again_leaves_the_commission_of_the_second_closing(begin: Any) -> None:
    """S5: 10 000 at 5 % and 20 000 at 8 %."""
    story = await begin()

    await story.won(1, 4, "24000.00")
    await story.reopened(1, 5)
    await story.won(1, 6, "30000.00", closing_no=2)

    await story.heard(1, 6)
    entries = await story.entries()
    assert [(one["status"], one["amount_amount"]) for one in entries] == [("REVERSED", 0), ("ACCRUED", 2100)]


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
async def test_facts_of_a_deal_told_under_new_ids_in_any_order_give_the_same(
    begin: Any, order: tuple[int, ...]
) -> None:
    """S5: business keys hold where the inbox can't know."""
    story = await begin()

    for sequence, which in enumerate(order, start=1):
        if which == 2:
            await story.reopened(1, sequence)
        else:
            await story.won(1, sequence, "24000.00" if which == 1 else "30000.00", closing_no=1 if which == 1 else 2)

    await story.heard(1, 3)
    live = [one for one in await story.entries() if one["status"] != "REVERSED"]
    assert [(one["amount_amount"], one["base_amount_amount"]) for one in live] == [(2100, 30000)]


async def test_arrival_order_does_not_matter_for_the_tiers(begin: Any) -> None:
    """S3, HR-7: 30 deals of 1 000 each, the seventh reopened; told backwards: 10 x 50 + 19 x 80."""
    story = await begin()

    for number in range(30, 0, -1):
        await story.won(number, 1, "1000.00")
    await story.reopened(7, 2)
    for number in range(1, 31):
        await story.heard(number, 2 if number == 7 else 1)

    entries = sorted(await story.entries(), key=lambda one: one["closed_at"])
    assert [int(one["amount_amount"]) for one in entries] == [50] * 6 + [0] + [50] * 4 + [80] * 19
    assert sum(one["amount_amount"] for one in entries) == 2020
    assert [one["status"] for one in entries].count("REVERSED") == 1
    assert await story.told("commission.clawed_back") == []


async def test_a_deal_without_salesperson_is_noted_and_no_error(begin: Any) -> None:
    """HR-10"""
    story = await begin()

    await story.won(1, 1, "24000.00", salespersonId=None)

    await story.heard(1, 1)
    assert await story.entries() == []
    (closing,) = await story.rows("select note from deal_closing")
    assert closing["note"] == "no salesperson"
