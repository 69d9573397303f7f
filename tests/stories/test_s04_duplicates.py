"""S4: the same fact arrives again and again, in every way it can."""

from tests.stories.world import F0, fresh_id
from tests.waiting import until


def position(lumen: F0, module: str, deal: str) -> int:
    (row,) = lumen.rows(module, "select last_sequence from kit.inbox_key where key = $1", f"Deal/{deal}")
    return row["last_sequence"]


def test_a_fact_that_comes_again_changes_nothing(lumen: F0) -> None:
    """S4"""
    deal = lumen.open_deal()
    first = lumen.win(deal, idempotencyKey=f"win-{deal}")
    until(lambda: len(lumen.drafts(deal)) == 1 and len(lumen.commissions(deal)) == 1)
    event = lumen.envelope(deal)
    subject = f"evt.{lumen.tenant}.deal.close.won"

    for _ in range(2):
        lumen.world.publish(subject, event)
    again = {**event, "id": fresh_id(), "sequence": event["sequence"] + 1}
    lumen.world.publish(subject, again)

    lumen.world.settle()
    assert [position(lumen, module, deal) for module in ("invoicing", "hr")] == [event["sequence"] + 1] * 2
    (invoice,) = lumen.invoices(deal)
    assert len(lumen.commissions(deal)) == 1
    drafted = lumen.world.events(lumen.tenant, "invoice.drafted")
    assert len([one for one in drafted if one["subject"] == str(invoice["id"])]) == 1

    assert lumen.win(deal, idempotencyKey=f"win-{deal}") == first
    assert lumen.win(deal, idempotencyKey=f"other-{deal}")["userErrors"][0]["code"] == "DEAL_CLOSED"
    reused = lumen.command("closeDealWon", "deal { id }", dealId=deal, idempotencyKey=f"win-{deal}")
    assert reused["userErrors"][0]["code"] == "IDEMPOTENCY_KEY_REUSED"
