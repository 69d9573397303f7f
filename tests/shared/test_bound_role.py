"""A module that connects as superuser or owner, or whose tables stand open, does not run (security.md, threats 5 and 6)."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
import pytest

from shared.clock import SystemClock
from shared.database.engine import OpenTable, UnboundRole, connect_app
from shared.database.transaction import Database
from shared.wire.principal import system
from tests.modules import Starter

pytestmark = pytest.mark.anyio


def _without_role(url: str) -> str:
    """Return the administrator's URL: the owner's is his, with SET ROLE."""
    parts = urlsplit(url)
    query = urlencode([pair for pair in parse_qsl(parts.query) if pair[0] != "role"], safe="/")
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


@pytest.mark.parametrize("who", ["owner", "superuser"])
async def test_no_transaction_opens_for_a_role_that_no_policy_binds(who: str, start_module: Starter) -> None:
    crm = await start_module("crm")
    ada = await crm.new_tenant()
    url = crm.urls.owner_url if who == "owner" else _without_role(crm.urls.owner_url)
    database = Database(connect_app(url, "crm"), "crm", SystemClock())

    with pytest.raises(UnboundRole):
        async with database.transaction(system(ada.tenant)) as tx:
            await tx.tenant()

    await database.close()


@pytest.mark.parametrize(
    ("opened", "closed"),
    [
        ("alter table crm.deal disable row level security", "alter table crm.deal enable row level security"),
        ("alter table crm.deal no force row level security", "alter table crm.deal force row level security"),
        ("create policy every on crm.deal to mewayz_crm_app using (true)", "drop policy every on crm.deal"),
        ("create policy every on crm.deal using (true)", "drop policy every on crm.deal"),
        ("create table crm.notes (id uuid); grant select on crm.notes to mewayz_crm_app", "drop table crm.notes"),
        (
            "alter table kit.idempotency disable row level security",
            "alter table kit.idempotency enable row level security",
        ),
    ],
)
async def test_no_transaction_opens_where_a_table_is_open(opened: str, closed: str, start_module: Starter) -> None:
    """Threat 6: looked up in the catalog when a module connects for the first time."""
    crm = await start_module("crm")
    ada = await crm.new_tenant()
    async with crm.transaction(ada) as tx:  # the module's own connections have looked: it goes on meanwhile
        await tx.tenant()
    owner = await asyncpg.connect(crm.urls.owner_url)
    await owner.execute(opened)
    database = Database(connect_app(crm.urls.app_url, "crm"), "crm", SystemClock())

    try:
        with pytest.raises(OpenTable):
            async with database.transaction(system(ada.tenant)) as tx:
                await tx.tenant()
    finally:
        await owner.execute(closed)
        await owner.close()

    async with database.transaction(system(ada.tenant)) as tx:
        assert (await tx.tenant()).tenant_id == ada.tenant
    await database.close()


async def test_the_app_role_is_bound(start_module: Starter) -> None:
    crm = await start_module("crm")
    ada = await crm.new_tenant()
    database = Database(connect_app(crm.urls.app_url, "crm"), "crm", SystemClock())

    async with database.transaction(system(ada.tenant)) as tx:
        assert (await tx.tenant()).tenant_id == ada.tenant

    await database.close()
