"""S2: Invoicing is down when the deal is won; its event waits, everything else goes on."""

from tests.stories.world import F0
from tests.waiting import until


def test_a_draft_waits_for_invoicing_and_comes_once(lumen: F0) -> None:
    """S2"""
    platform = lumen.world.platform
    deal = lumen.open_deal()
    assert platform.run("stop", "invoicing", "--kill").returncode == 0
    try:
        won = lumen.win(deal)
        assert won["deal"]["status"] == "WON"
        assert won["userErrors"] == []
        until(lambda: len(lumen.commissions(deal)) == 1)

        query = "query($id: ID!) { customer(id: $id) { name openInvoices { number } } }"
        status, answer = platform.request(
            "POST",
            "/graphql",
            {"query": query, "variables": {"id": lumen.customer}},
            token=lumen.world.token("lumen"),
        )
        assert status == 200
        assert answer["data"] == {"customer": {"name": "C-ACME", "openInvoices": None}}
        (error,) = answer["errors"]
        assert error["path"] == ["customer", "openInvoices"]
        assert error["extensions"]["code"] == "MODULE_UNAVAILABLE"
        assert error["extensions"]["module"] == "invoicing"
    finally:
        assert platform.run("start", "invoicing").returncode == 0

    until(lambda: len(lumen.drafts(deal)) == 1)
    lumen.world.settle()
    (draft,) = lumen.invoices(deal)
    assert draft["source_key"] == f"deal:{deal}:1"
    assert len(lumen.commissions(deal)) == 1
