"""Each wall by itself: what holds where the others are not asked."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import asyncpg
from sqlalchemy import func, select, text

from mewayz.proof.ids import A, B
from mewayz.proof.report import Report, data_of
from mewayz.proof.world import ProvenModule, World, call
from shared.database.engine import connect_app
from shared.database.entity import Entity, models_of
from shared.database.transaction import Database
from shared.errors import Defect
from shared.graph.names import camel
from shared.wire.token import SigningKey

_PARTS, _PART_S = 40, 0.0001  # a transaction of one statement takes less
_TENANT = "select current_setting('app.tenant_id')"
_BARE_TABLES = """
    select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') and c.relkind in ('r', 'p')
      and c.relname <> 'alembic_version' and coalesce(obj_description(c.oid, 'pg_class'), '') not like '%@global_table%'
      and not (c.relrowsecurity and c.relforcerowsecurity and exists (select from pg_policy p where p.polrelid = c.oid))
"""
_BARE_KEYS = """
    select i.indexrelid::regclass::text from pg_index i
    join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
    where n.nspname = $1 and i.indisunique and a.attname <> 'tenant_id' and c.relname || '.' || a.attname <> all($2)
"""
_OF_THE_PLATFORM = ["tenant.slug_name"]  # a company's name in host names and sign-in: taken or free, for all to see
_TABLES = """
    select table_schema || '.' || table_name from information_schema.columns
    where column_name = 'tenant_id' and table_schema = $1
"""


async def catalog(world: World, report: Report) -> None:
    """Every table has forced row-level security, every unique key begins with the tenant (threats 6 and 7)."""
    for proven in world.modules.values():
        connection = await asyncpg.connect(proven.urls.owner_url)
        try:
            for table in await connection.fetch(_BARE_TABLES):
                report.leak("catalog", f"{table[0]} has no forced row-level security")
            for key in await connection.fetch(_BARE_KEYS, proven.slug, _OF_THE_PLATFORM):
                report.leak("catalog", f"the unique key {key[0]} does not begin with the tenant")
            report.probes += 2
        finally:
            await connection.close()


async def row_level_security(world: World, report: Report) -> None:
    """Raw SQL of the app role, and of a job's own, sees one tenant's rows, and none without a tenant (threats 2 and 5).

    A job of the platform works for no tenant: sign-in's role, which sees where a person may go, is the one that has such.
    """
    for proven in world.modules.values():
        roles = {job.mark.role for job in proven.module.jobs if job.mark.role and not job.mark.platform}
        for url in (proven.urls.app_url, *(proven.urls.extra_urls[role] for role in roles)):
            connection = await asyncpg.connect(url)
            try:
                await _one_tenant_only(connection, proven.slug, report)
            finally:
                await connection.close()


async def _one_tenant_only(connection: "asyncpg.Connection[Any]", slug: str, report: Report) -> None:
    for (table,) in await connection.fetch(_TABLES, slug):  # those that the role has any right on
        foreign = f"select count(*) from {table} where tenant_id <> '{A.tenant}'"  # noqa: S608 from the catalog
        for tenant in (str(A.tenant), ""):
            await connection.execute(f"set app.tenant_id = '{tenant}'")
            seen = await connection.fetchval(foreign)
            report.expect(seen == 0, f"{table} as {tenant or 'nobody'}", f"raw SQL sees {seen} rows of B")
    row = await connection.fetchrow(
        "select current_user, rolsuper, rolbypassrls from pg_roles where rolname = current_user"
    )
    assert row is not None
    name, *passes = row
    report.expect(not any(passes), slug, f"the role {name} passes row-level security by")


async def session_filter(world: World, report: Report) -> None:
    """ORM statements see one tenant's rows where the database would show all, and write none of another's (wall 3)."""
    for proven in world.modules.values():
        database = Database(proven.unwalled, proven.slug, world.clock)
        for model in models_of(proven.module.slug):
            where = f"session {model.__name__}"
            async with database.transaction(world.principal(A)) as tx:
                owners = {row.tenant_id for row in await tx.all(select(model))}
                ids = [B.row(f"{proven.slug}.{model.__name__}", number) for number in (1, 2)]
                found = (await tx.session.execute(select(func.count(model.id)).where(model.id.in_(ids)))).scalar_one()
                report.expect(owners <= {A.tenant}, where, "a statement without a filter sees rows of B")
                report.expect(found == 0, where, "a row of B is found by its id")
            await _write(database, model, world, report, where)


async def _write(database: Database, model: type[Entity], world: World, report: Report, where: str) -> None:
    stopped = False
    try:
        async with database.transaction(world.principal(A)) as tx:
            row = (await tx.all(select(model).limit(1)))[0]
            row.tenant_id = B.tenant
            await tx.session.flush()
            await tx.session.rollback()
    except (Defect, IndexError):
        stopped = True
    except Exception:  # the database refused what the session let through
        stopped = False
    report.expect(stopped, where, "the session would have written a row into B")


async def pool(world: World, report: Report) -> None:
    """A connection forgets its tenant with each transaction (threat 4)."""
    for proven in world.modules.values():
        async with _one_connection(proven, world) as database:
            async with database.transaction(world.principal(B)) as tx:
                await tx.session.execute(text("select 1"))
            async with database.engine.begin() as connection:
                left = (await connection.execute(text("select current_setting('app.tenant_id', true)"))).scalar_one()
                report.expect(not left, proven.slug, f"a connection still stands in tenant {left}")


async def given_up(world: World, report: Report) -> None:
    """A transaction that is given up, at whichever of its parts, leaves nothing to the connection's next user (threat 4)."""
    for proven in world.modules.values():
        async with _one_connection(proven, world) as database:
            for step in range(_PARTS):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(step * _PART_S), database.transaction(world.principal(B)) as tx:
                        await tx.fetch(_TENANT)
                async with database.transaction(world.principal(A)) as tx:
                    ((found,),) = await tx.fetch(_TENANT)
                    report.expect(
                        found == str(tx.tenant_id), proven.slug, f"after one given up, A works in tenant {found}"
                    )


@contextlib.asynccontextmanager
async def _one_connection(proven: ProvenModule, world: World) -> AsyncGenerator[Database]:
    """A pool of one, so that each transaction has the connection of the one before."""
    database = Database(
        connect_app(proven.urls.app_url, proven.slug, pool_size=1, overflow=0), proven.slug, world.clock
    )
    yield database
    await database.close()


async def tokens(world: World, report: Report) -> None:
    """A module answers the router's token for it, this body, now; all else gets one and the same 401 (threats 9 to 12)."""
    body = json.dumps({"query": "{ _service { sdl } }"}).encode()
    principal = world.principal(A)
    stranger = SigningKey.generate()
    for slug, proven in world.modules.items():
        good = world.internal_token(principal, slug, body)
        head, claims, signature = good.split(".")
        forged = {
            "none": "",
            "of another module": world.internal_token(principal, f"not-{slug}", body),
            "for another body": world.internal_token(principal, slug, body + b" "),
            "of another key": world.internal_token(principal, slug, body, key=stranger),
            "of a user": world.access_token(principal),
            "unsigned": f"{_coded({'alg': 'none', 'kid': world.router_key.kid})}.{claims}.",
            "by the public key as a secret": f"{_coded({'alg': 'HS256', 'kid': world.router_key.kid})}.{claims}.{signature}",
            "changed": f"{head}.{_swapped(claims)}.{signature}",
        }
        answers: set[bytes] = set()
        for name, token in forged.items():
            status, answer = await call(proven.endpoint, "/graphql", body, authorization=f"Bearer {token}")
            report.expect(status == 401, f"{slug} token {name}", f"answered with {status}")
            answers.add(answer)
        report.expect(len(answers) == 1, f"{slug} tokens", "tells why a token is refused")
        status, _ = await call(proven.endpoint, "/graphql", body, authorization=f"Bearer {good}")
        report.expect(status == 200, f"{slug} token", f"its own token gets {status}")
        status, _ = await call(proven.endpoint, "/graphql", body, authorization=f"Bearer {good}")
        report.expect(status == 401, f"{slug} token sent again", f"answered with {status}")
        await _late(world, proven, body, report)


async def _late(world: World, proven: ProvenModule, body: bytes, report: Report) -> None:
    now = world.clock.now()

    class Earlier:
        def now(self) -> object:
            return now - timedelta(seconds=60)

    here = world.clock
    world.clock = Earlier()  # pyright: ignore[reportAttributeAccessIssue]
    token = world.internal_token(world.principal(A), proven.slug, body)
    world.clock = here
    status, _ = await call(proven.endpoint, "/graphql", body, authorization=f"Bearer {token}")
    report.expect(status == 401, f"{proven.slug} token a minute old", f"answered with {status}")


def _coded(header: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")


def _swapped(claims: str) -> str:
    read = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    return _coded({**read, "tid": str(B.tenant)})


async def edge(world: World, report: Report) -> None:
    """The gateway takes the tenant from the token alone, and answers nobody without one (wall 1)."""
    query = "{ dashboard { id } }"
    token = f"Bearer {world.access_token(world.principal(A))}"
    claimed = {"x_tenant_id": str(B.tenant), "tenant": str(B.tenant), "x_mewayz_tenant": str(B.tenant)}
    body = json.dumps({"query": query, "variables": {"tenantId": str(B.tenant)}, "tenant": str(B.tenant)}).encode()
    _, answer = await call(world.gateway, "/graphql", body, authorization=token, **claimed)
    report.expect(
        data_of(answer).get("dashboard") == {"id": str(A.tenant)},
        "gateway",
        f"{claimed} moved the caller: {answer.decode()}",
    )
    stranger = SigningKey.generate()
    world.identity_key, own = stranger, world.identity_key
    foreign = f"Bearer {world.access_token(world.principal(A))}"
    world.identity_key = own
    answers: set[bytes] = set()
    for authorization in (
        "",
        "Bearer x",
        "Basic eA==",
        foreign,
        "Bearer " + world.internal_token(world.principal(A), "crm", body),
    ):
        status, answer = await call(world.gateway, "/graphql", body, authorization=authorization)
        report.expect(status == 401, "gateway", f"{authorization[:12]!r} is answered with {status}")
        answers.add(answer)
    report.expect(len(answers) == 1, "gateway", "tells why a token is refused")


async def permissions(world: World, report: Report) -> None:
    """Who has no permission reads no entity and runs no command (contracts.md, "Sign-in")."""
    nobody = world.principal(A, permissions=("nothing.at.all",))
    for slug, proven in world.modules.items():
        for _, mark in proven.module.entities.values():
            if mark.root is None:
                continue
            name, key = camel(mark.root), str(A.row(f"{slug}.{mark.model.__name__}", 1))
            query = f"query($id: ID!) {{ {name}(id: $id) {{ id }} }}"
            body = await world.ask_module(slug, nobody, query, {"id": key})
            report.expect(b'"FORBIDDEN"' in body, f"{slug} {name}", "is read without permission")


WALLS = (catalog, row_level_security, session_filter, pool, given_up, tokens, edge, permissions)
