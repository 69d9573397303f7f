"""Demo data: the same rows in every run, written once."""

from datetime import date
from uuid import UUID

import pytest

from shared.demo import plant
from shared.wire.principal import Principal
from tests.modules import RunningModule

pytestmark = pytest.mark.anyio
AS_OF = date(2026, 6, 30)


async def dump(crm: RunningModule, tenant: UUID | None) -> dict[str, object]:
    assert tenant
    tables = ("customer", "contact", "deal", "sales_activity", "pipeline")
    columns = "id, version, created_at, updated_at"
    return {table: await crm.rows(tenant, f"select {columns} from {table} order by id") for table in tables}  # noqa: S608


async def test_planting_twice_writes_once_and_another_tenant_gets_the_same_shape(crm: RunningModule) -> None:
    ada, eve = await crm.new_tenant(), await crm.new_tenant(base_currency="HKD", time_zone="Asia/Hong_Kong")
    assert ada.tenant
    assert eve.tenant

    await plant(crm.module, crm.database, ada.tenant, "lumen", AS_OF, 0.02)
    first = await dump(crm, ada.tenant)
    await plant(crm.module, crm.database, ada.tenant, "lumen", AS_OF, 0.02)
    await plant(crm.module, crm.database, eve.tenant, "harbour", AS_OF, 0.02)

    assert await dump(crm, ada.tenant) == first
    statuses = await crm.rows(ada.tenant, "select distinct status from deal")
    assert {row["status"] for row in statuses} == {"OPEN", "WON", "LOST"}
    everyone = Principal(tenant=ada.tenant, user=None, permissions=("*",))
    ready = '{ deals(filter: {title: {contains: "Brand refresh"}}) { nodes { status amount { amount currency } } } }'
    answer = await crm.execute(everyone, ready)
    assert answer.data["deals"]["nodes"] == [{"status": "OPEN", "amount": {"amount": "24000.00", "currency": "CNY"}}]
