"""Tenants: a row of another tenant answers exactly like an absent one, whatever wall is asked."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import select, text

from shared.database.entity import models_of
from shared.database.visibility import own_rows
from shared.errors import Defect
from shared.module import load
from subgraphs.crm.models import Customer, Deal
from tests.modules import RunningModule, until
from tests.shared.test_commands import open_deal

pytestmark = pytest.mark.anyio
ABSENT = "01a20d5a-5de5-7bbe-a8fd-fcd019ec1e0a"


async def test_a_foreign_id_answers_like_an_absent_one(crm: RunningModule) -> None:
    """security.md, threat 8"""
    ada, eve = await crm.new_tenant(), await crm.new_tenant()
    deal = await open_deal(crm, ada)
    query = 'query($id: ID!) { deal(id: $id) { id } e: _entities(representations: [{__typename: "Deal", id: $id}]) { ... on Deal { id } } }'
    entities = "query($r: [_Any!]!) { _entities(representations: $r) { ... on Deal { id title } } }"

    foreign = await crm.execute(eve, "query($id: ID!) { deal(id: $id) { id } }", id=deal["id"])
    absent = await crm.execute(eve, "query($id: ID!) { deal(id: $id) { id } }", id=ABSENT)
    by_key = await crm.execute(eve, entities, r=[{"__typename": "Deal", "id": deal["id"]}])
    by_key_absent = await crm.execute(eve, entities, r=[{"__typename": "Deal", "id": ABSENT}])
    own = await crm.execute(ada, entities, r=[{"__typename": "Deal", "id": deal["id"]}])

    assert query
    assert foreign == absent
    assert by_key == by_key_absent
    assert by_key.data == {"_entities": [None]}
    assert own.data["_entities"][0]["title"] == "Brand refresh"


async def test_a_foreign_row_cannot_be_changed(crm: RunningModule) -> None:
    ada, eve = await crm.new_tenant(), await crm.new_tenant()
    deal = await open_deal(crm, ada)

    refused = await crm.command(eve, "closeDealWon", "deal { id }", dealId=deal["id"])

    assert refused["userErrors"][0]["code"] == "NOT_FOUND"
    assert [row["status"] for row in await crm.rows(ada.tenant, "select status from deal")] == ["OPEN"]


async def test_row_level_security_holds_for_raw_sql(crm: RunningModule) -> None:
    """security.md, threat 2: the session's filter doesn't see a text statement, the database does"""
    ada, eve = await crm.new_tenant(), await crm.new_tenant()
    await open_deal(crm, ada)

    async with crm.transaction(eve) as tx:
        seen = (await tx.session.execute(text("select count(*) from crm.deal"))).scalar_one()

    assert seen == 0


async def test_without_a_tenant_every_table_is_empty(crm: RunningModule) -> None:
    ada = await crm.new_tenant()
    await open_deal(crm, ada)

    connection = await asyncpg.connect(crm.urls.app_url)
    try:
        assert await connection.fetchval("select count(*) from crm.deal") == 0
    finally:
        await connection.close()


async def test_the_session_filters_every_statement(crm: RunningModule) -> None:
    """wall 3: the statement carries the tenant, not only the database"""
    ada = await crm.new_tenant()
    statements: list[str] = []
    from sqlalchemy import event

    def note(_conn: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if str(ada.tenant) in str(parameters):  # the module goes on meanwhile, with what other tests left it
            statements.append(statement)

    event.listen(crm.database.engine.sync_engine, "before_cursor_execute", note)
    try:
        async with crm.transaction(ada) as tx:
            await tx.all(select(Deal))
    finally:
        event.remove(crm.database.engine.sync_engine, "before_cursor_execute", note)

    assert "deal.tenant_id =" in statements[-1].replace("crm.", "")


async def test_a_statement_walks_through_the_models_of_its_own_module_only() -> None:
    """The zygote has loaded those of many modules: memory that a process walks through, it copies."""
    load("crm")
    load("support")
    conditions: dict[Any, Any] = {}

    own_rows("crm", UUID(ABSENT)).get_global_criteria(conditions)

    assert {mapper.class_ for _, mapper in conditions} == set(models_of("crm")) != set(models_of("support"))
    assert Deal in models_of("crm")


async def test_a_row_of_another_tenant_cannot_be_written(crm: RunningModule) -> None:
    ada, eve = await crm.new_tenant(), await crm.new_tenant()
    assert eve.tenant is not None

    with pytest.raises(Defect, match="another tenant"):
        async with crm.transaction(ada) as tx:
            customer = tx.add(Customer(name="Smuggled"))
            customer.tenant_id = eve.tenant

    assert await crm.rows(eve.tenant, "select 1 from customer") == []


async def test_one_connection_keeps_tenants_apart(crm: RunningModule) -> None:
    """security.md, threat 4: the setting dies with its transaction"""
    ada, eve = await crm.new_tenant(), await crm.new_tenant()
    await crm.command(ada, "registerCustomer", "customer { id }", name="Ada's")
    await crm.command(eve, "registerCustomer", "customer { id }", name="Eve's")

    for _ in range(50):
        for who, name in ((ada, "Ada's"), (eve, "Eve's")):
            async with crm.transaction(who) as tx:
                assert [row.name for row in await tx.all(select(Customer))] == [name]


async def test_every_table_has_forced_row_level_security_and_tenant_first_keys(crm: RunningModule) -> None:
    """security.md, threats 6 and 7; contracts.md, "Ids and tenant" """
    connection = await asyncpg.connect(crm.urls.owner_url)
    try:
        bare = await connection.fetch(
            """
            select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname in ('crm', 'kit') and c.relkind = 'r'
              and coalesce(obj_description(c.oid, 'pg_class'), '') not like '%@global_table%'
              and not (c.relrowsecurity and c.relforcerowsecurity
                       and exists (select from pg_policy p where p.polrelid = c.oid))
            """
        )
        keys = await connection.fetch(
            """
            select i.indexrelid::regclass::text as index
            from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
            join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
            where n.nspname = 'crm' and a.attname <> 'tenant_id'
            """
        )
        role = await connection.fetchrow("select rolsuper, rolbypassrls from pg_roles where rolname = 'mewayz_crm_app'")
    finally:
        await connection.close()

    assert [row["relname"] for row in bare if row["relname"] != "alembic_version"] == []
    assert [row["index"] for row in keys] == []
    assert role is not None
    assert not role["rolsuper"]
    assert not role["rolbypassrls"]


async def test_connections_that_nobody_uses_are_closed_and_opened_again(crm: RunningModule) -> None:
    ada = await crm.new_tenant()
    await crm.command(ada, "registerCustomer", "customer { id }", name="Acme")
    lean = asyncio.ensure_future(crm.database.keep_lean(idle_s=0.2))
    pool = crm.database.engine.pool

    async def closed() -> bool:
        return crm.database.engine.pool is not pool

    try:
        await until(closed)
        assert (await crm.execute(ada, "{ customers { totalCount } }")).data == {"customers": {"totalCount": 1}}
    finally:
        lean.cancel()
