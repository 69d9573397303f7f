"""Commands: one transaction, refusals as data, keys that give the same answer."""

import pytest

from tests.modules import RunningModule, Starter

pytestmark = pytest.mark.anyio
DEAL = "deal { id status version closingNo amount { amount currency } }"


@pytest.fixture
async def crm(start_module: Starter) -> RunningModule:
    return await start_module("crm")


async def test_a_won_deal_is_one_event_on_the_stream(crm: RunningModule) -> None:
    ada = await crm.new_tenant()
    customer = await crm.command(ada, "registerCustomer", "customer { id lifecycle }", name="Acme", currency="CNY")
    deal = await crm.command(
        ada,
        "openDeal",
        DEAL,
        customerId=customer["customer"]["id"],
        title="Brand refresh",
        amount={"amount": "24000", "currency": "CNY"},
    )

    won = await crm.command(ada, "closeDealWon", DEAL, dealId=deal["deal"]["id"], closedOn="2026-03-10")

    assert won["userErrors"] == []
    assert won["deal"]["status"] == "WON"
    assert won["deal"]["amount"] == {"amount": "24000.00", "currency": "CNY"}
    assert won["receipt"]["status"] == "DONE"
    (event,) = await crm.outgoing(ada.tenant, "deal.close.won")
    assert event["data"]["closingNo"] == 1
    assert event["data"]["amount"] == {"amount": "24000.00", "currency": "CNY"}
    assert event["sequence"] == 2
    assert event["actorid"] == str(ada.user)
