"""The demo data of this module: written once, something in every state, ACME as the storyline says."""

from datetime import date

import pytest

from shared.demo import Demo, plant
from tests.modules import Starter

pytestmark = pytest.mark.anyio
AS_OF = date(2026, 6, 30)


@pytest.mark.parametrize("slug", ["lumen", "harbour"])
async def test_projects_of_every_state_are_planted_once(start_module: Starter, slug: str) -> None:
    projects = await start_module("projects")
    ada = await projects.new_tenant()
    assert ada.tenant
    counts = "select status, count(*) as projects from project group by status order by status"
    entries = "select id, status from time_entry order by id"

    await plant(projects.module, projects.database, ada.tenant, slug, AS_OF, 0.02)
    first, hours = await projects.rows(ada.tenant, counts), await projects.rows(ada.tenant, entries)
    await plant(projects.module, projects.database, ada.tenant, slug, AS_OF, 0.02)

    assert len(first) == 5
    assert await projects.rows(ada.tenant, counts) == first
    assert await projects.rows(ada.tenant, entries) == hours
    assert {row["status"] for row in hours} == {"DRAFT", "SUBMITTED", "APPROVED"}
    customer = Demo(projects.module, projects.database, ada.tenant, slug, AS_OF, 1).id("crm", "acme", "Customer")
    acme = await projects.rows(ada.tenant, "select 1 from project where customer_id = $1", customer)
    assert len(acme) == 4
