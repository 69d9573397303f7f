"""A module that connects as superuser or owner does not run (security.md, threat 5)."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pytest

from shared.clock import SystemClock
from shared.database.engine import UnboundRole, connect_app
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


async def test_the_app_role_is_bound(start_module: Starter) -> None:
    crm = await start_module("crm")
    ada = await crm.new_tenant()
    database = Database(connect_app(crm.urls.app_url, "crm"), "crm", SystemClock())

    async with database.transaction(system(ada.tenant)) as tx:
        assert (await tx.tenant()).tenant_id == ada.tenant

    await database.close()
