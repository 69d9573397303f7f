"""Row scopes hold in lists, sums and cards alike, whatever a query forgets; a suspended tenant changes nothing."""

import msgspec
import pytest

from shared.wire.principal import Principal, RowScope
from tests.modules import RunningModule
from tests.shared.test_commands import open_deal

pytestmark = pytest.mark.anyio
SUMMARY = "{ pipelineSummary { count } }"
CARD = (
    "query($r: [_Any!]!) { _entities(representations: $r) { ... on Dashboard { crm { rotten byStage { count } } } } }"
)


async def test_sums_and_cards_count_only_rows_in_the_callers_row_scope(crm: RunningModule) -> None:
    """security.md, threat 1: `crm.deal.read@own` narrows what `@query` and `@card` functions see"""
    owner = await crm.new_tenant()
    await open_deal(crm, owner)
    limited = msgspec.structs.replace(owner, permissions=("crm.deal.read@own",))
    other = msgspec.structs.replace(limited, user=None, employee=owner.user)

    everything = await crm.execute(owner, SUMMARY)
    nothing = await crm.execute(limited, SUMMARY)
    cards = [await crm.execute(who, CARD, r=[_dashboard(who)]) for who in (owner, limited, other)]

    assert [row["count"] for row in everything.payload()] == [1]
    assert nothing.payload() == []
    assert [len(card.payload()[0]["crm"]["byStage"]) for card in cards] == [1, 0, 0]


async def test_a_suspended_tenant_reads_and_changes_nothing(crm: RunningModule) -> None:
    """IDN-7"""
    owner = await crm.new_tenant()
    deal = await open_deal(crm, owner)
    assert owner.tenant is not None
    await crm.publish(owner.tenant, "tenant.suspended", "Tenant", owner.tenant, 2, {"tenantId": str(owner.tenant)})
    await _until_state(crm, owner, "SUSPENDED")

    refused = await crm.command(owner, "closeDealWon", "deal { id }", dealId=deal["id"])
    seen = await crm.execute(owner, "query($id: ID!) { deal(id: $id) { status } }", id=deal["id"])

    assert refused["userErrors"][0]["code"] == "TENANT_SUSPENDED"
    assert seen.payload() == {"status": "OPEN"}


def test_one_action_everywhere_is_that_action_and_no_other() -> None:
    """ADR 0010"""
    auditor = Principal(tenant=None, permissions=("*.read", "*.write@own"))

    assert auditor.scope("crm.deal.read") is RowScope.TENANT
    assert auditor.scope("audit.read") is RowScope.TENANT
    assert auditor.scope("crm.deal.write") is RowScope.OWN
    assert auditor.scope("crm.deal.close") is None
    assert auditor.scope("crm.deal.unread") is None


def _dashboard(who: Principal) -> dict[str, str]:
    return {"__typename": "Dashboard", "id": str(who.tenant)}


async def _until_state(crm: RunningModule, who: Principal, state: str) -> None:
    from tests.modules import until

    async def reached() -> bool:
        return [row["state"] for row in await crm.rows(who.tenant, "select state from kit.tenant")] == [state]

    await until(reached)
