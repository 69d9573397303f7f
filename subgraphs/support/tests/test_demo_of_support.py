"""The demo data of this module: written once, something in every state, ACME as the storyline says."""

from datetime import date

import pytest

from shared.demo import Demo, plant
from tests.modules import Starter

pytestmark = pytest.mark.anyio
AS_OF = date(2026, 6, 30)


@pytest.mark.parametrize("slug", ["lumen", "harbour"])
async def test_tickets_of_every_state_are_planted_once(start_module: Starter, slug: str) -> None:
    support = await start_module("support")
    ada = await support.new_tenant()
    assert ada.tenant
    counts = "select status, count(*) as tickets from ticket group by status order by status"

    await plant(support.module, support.database, ada.tenant, slug, AS_OF, 0.02)
    first = await support.rows(ada.tenant, counts)
    messages = await support.rows(ada.tenant, "select id, body from ticket_message order by id")
    await plant(support.module, support.database, ada.tenant, slug, AS_OF, 0.02)

    assert len(first) == 6
    assert await support.rows(ada.tenant, counts) == first
    assert await support.rows(ada.tenant, "select id, body from ticket_message order by id") == messages
    acme = "select count(*) filter (where status = 'CLOSED') as closed, count(*) from ticket where customer_id = $1"
    customer = Demo(support.module, support.database, ada.tenant, slug, AS_OF, 1).id("crm", "acme", "Customer")
    assert await support.rows(ada.tenant, acme, customer) == [{"closed": 2, "count": 6}]
