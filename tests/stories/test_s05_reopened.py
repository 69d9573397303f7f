"""S5: won, reopened, won again, through consumers that keep dying."""

import itertools
from decimal import Decimal

import pytest

from tests.stories.world import F0
from tests.waiting import until


def close_reopen_close(lumen: F0, deal: str, between: list[str], moment: str) -> None:
    """Win at 24 000, reopen, win at 30 000; kill the consumers `moment` each delivery."""
    platform = lumen.world.platform

    def step(name: str, **arguments: object) -> None:
        if moment == "before":
            for module in between:
                platform.run("stop", module, "--kill")
        payload = lumen.command(name, "deal { id }", dealId=deal, **arguments)
        assert payload["userErrors"] == [], payload
        if moment == "after":
            for module in between:
                platform.run("stop", module, "--kill")
        for module in between:
            platform.run("start", module)

    step("closeDealWon", closedOn="2026-03-10")
    step("reopenDeal", reason="wrong amount")
    lines = [{"description": "all", "quantity": "1", "unitPrice": {"amount": "30000", "currency": lumen.currency}}]
    price(lumen, deal, lines)
    step("closeDealWon", closedOn="2026-03-10")


def price(lumen: F0, deal: str, lines: list[object]) -> None:
    payload = lumen.command("reviseDeal", "deal { id }", dealId=deal, lines=lines)
    assert payload["userErrors"] == [], payload


def closed_twice(lumen: F0, deal: str) -> bool:
    """Whether the second closing has come to Invoicing and HR."""
    drafts, live = lumen.drafts(deal), lumen.live_commissions(deal)
    return [row["source_key"].split(":")[2] for row in drafts + live] == ["2", "2"]


@pytest.mark.parametrize("moment", ["before", "after", "never"])
def test_what_counts_is_the_last_closing_whoever_was_killed_when(lumen: F0, moment: str) -> None:
    """S5"""
    deal = lumen.open_deal("24000.00")

    close_reopen_close(lumen, deal, ["invoicing", "hr"], moment)

    until(lambda: closed_twice(lumen, deal))
    lumen.world.settle()
    (draft,) = lumen.drafts(deal)
    assert draft["source_key"] == f"deal:{deal}:2"
    assert draft["net_total_amount"] == Decimal("30000.00")
    (entry,) = lumen.live_commissions(deal)
    assert entry["amount_amount"] == Decimal("2100.00")
    assert all(row["status"] == "REVERSED" for row in lumen.commissions(deal) if row["id"] != entry["id"])


def test_late_copies_in_any_order_change_nothing(lumen: F0) -> None:
    """S5: each of the six orders of the three messages"""
    deal = lumen.open_deal("24000.00")
    close_reopen_close(lumen, deal, [], "never")
    until(lambda: closed_twice(lumen, deal))
    lumen.world.settle()
    events = lumen.world.events(lumen.tenant, "deal.close.won") + lumen.world.events(lumen.tenant, "deal.reopened")
    three = [one for one in events if one["subject"] == deal]
    before = lumen.invoices(deal), lumen.commissions(deal)
    assert len(three) == 3

    for order in itertools.permutations(three):
        for event in order:
            lumen.world.publish(f"evt.{lumen.tenant}.{event['type']}", event)

    lumen.world.settle()
    assert (lumen.invoices(deal), lumen.commissions(deal)) == before
