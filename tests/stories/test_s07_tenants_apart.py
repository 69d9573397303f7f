"""S7: what happens in tenant A never touches tenant B."""

from uuid import UUID

from tests.stories.world import F0, fresh_id
from tests.waiting import until

ABSENT = "01a20d5a-5de5-7bbe-a8fd-fcd019ec1e0a"
ONE_DEAL = """
    insert into deal (tenant_id, id, title, customer_id, status, closing_no, sales_team, lines, salesperson_id,
                      amount_amount, amount_currency, version, created_at, updated_at)
    values ($1, $2, 'D-SAME', $3, 'OPEN', 0, '[]', '[]', $4, 24000, $5, 1, now(), now())
    returning id
"""


def same_deal(one: F0, deal: UUID, salesperson: str) -> None:
    """Force a row of the same id into a tenant, which no command would do."""
    values = (one.tenant, deal, UUID(one.customer), UUID(salesperson), one.currency)
    assert one.world.rows("crm", one.tenant, ONE_DEAL, *values)


def test_a_won_deal_touches_its_own_tenant_only(lumen: F0, harbour: F0) -> None:
    """S7: both tenants have a deal with the same id and the same salesperson id"""
    deal = UUID(fresh_id())
    for one in (lumen, harbour):
        same_deal(one, deal, lumen.salesperson)
    before = harbour.world.counts(harbour.tenant)

    won = lumen.win(str(deal))

    assert won["userErrors"] == []
    lumen.world.settle()
    assert (len(lumen.drafts(str(deal))), len(lumen.commissions(str(deal)))) == (1, 1)
    assert harbour.world.counts(harbour.tenant) == before
    assert harbour.invoices(str(deal)) == []
    assert harbour.commissions(str(deal)) == []


def test_an_event_that_names_another_tenant_inside_is_rejected(lumen: F0, harbour: F0) -> None:
    """S7: FORGED_TENANT"""
    deal = lumen.open_deal()
    lumen.win(deal)
    fresh = fresh_id()
    forged = {**lumen.envelope(deal), "id": fresh, "subject": fresh, "sequence": 1, "tenantid": str(harbour.tenant)}
    forged["data"] = {**forged["data"], "dealId": fresh}
    before = lumen.world.counts(lumen.tenant), harbour.world.counts(harbour.tenant)

    lumen.world.publish(f"evt.{lumen.tenant}.deal.close.won", forged)

    assert (lumen.world.counts(lumen.tenant), harbour.world.counts(harbour.tenant)) == before
    assert lumen.invoices(fresh) == harbour.invoices(fresh) == []


def test_a_foreign_row_answers_like_an_absent_one(lumen: F0, harbour: F0) -> None:
    """S7: by id, by the contributed list of a foreign customer, and by SQL"""
    deal = lumen.open_deal()
    lumen.win(deal)
    until(lambda: len(lumen.drafts(deal)) == 1)
    invoice = str(lumen.invoices(deal)[0]["id"])
    by_id = "query($id: ID!) { invoice(id: $id) { id number } }"
    by_customer = "query($id: ID!) { customer(id: $id) { name openInvoices { id } } }"

    assert harbour.ask(by_id, id=invoice) == harbour.ask(by_id, id=ABSENT) == {"data": {"invoice": None}}
    assert harbour.ask(by_customer, id=lumen.customer) == harbour.ask(by_customer, id=ABSENT)
    assert lumen.ask(by_id, id=invoice)["data"]["invoice"]["id"] == invoice
    assert harbour.rows("invoicing", "select 1 from invoice where id = $1", UUID(invoice)) == []
