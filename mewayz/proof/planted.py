"""Planted leaks: each wall is taken away in turn, and the proof must notice. A proof that notices nothing proves nothing."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import jwt
import msgspec
from sqlalchemy import event, select
from sqlalchemy.orm import Session

import shared.database.engine as engines
import shared.database.transaction as transactions
import shared.hosting.endpoint as endpoints
import shared.module.schema as schemas
import shared.wire.token as wire_tokens
from mewayz.proof import scopes, walls
from mewayz.proof.ids import A, B
from mewayz.proof.report import Report
from mewayz.proof.world import World
from router.gateway.pipeline import Pipeline
from shared.database.transaction import Database, Transaction
from shared.errors import Unauthenticated
from shared.graph.context import RequestContext
from shared.graph.rows import load_row
from shared.wire.principal import Principal, RowScope
from shared.wire.token import InternalToken

Probe = Callable[[World, Report], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Planted:
    """A wall that `removed` takes away while it is open, and the part of the proof that must notice."""

    name: str
    removed: Callable[[World], AbstractAsyncContextManager[None]]
    probe: Probe


async def find_planted(world: World, walk: Probe, short: Callable[[World], World]) -> dict[str, bool]:
    """Take each wall away and return which were noticed; `walk` is the differential walk of the first module."""
    found: dict[str, bool] = {}
    narrowed = short(world)
    for planted in all_planted(walk):
        report = Report()
        async with planted.removed(narrowed):
            await planted.probe(narrowed, report)
        found[planted.name] = bool(report.leaks)
    return found


def all_planted(walk: Probe) -> list[Planted]:
    """Return every planted leak."""
    return [
        Planted("row-level security is off on a table", _sql(_OFF, _ON), walls.row_level_security),
        Planted("a policy lets everybody in", _sql(_OPEN, _SHUT), walls.row_level_security),
        Planted("a table has no policy", _sql(_NEW_TABLE, "drop table {slug}.planted"), walls.catalog),
        Planted("a unique key leaves the tenant out", _sql(_NEW_KEY, "drop index {slug}.planted_key"), walls.catalog),
        Planted("the session filters nothing", _unheard("do_orm_execute", "_only_own_rows"), walls.session_filter),
        Planted("the session writes anywhere", _unheard("before_flush", "_only_own_writes"), walls.session_filter),
        Planted("a connection keeps its tenant", _patched(transactions, "tenant_scope", _lasting_scope), walls.pool),
        Planted("a connection given up serves on", _serving_on, walls.given_up),
        Planted("row scopes are ignored", _patched(Principal, "scope", _any_scope), scopes.row_scopes),
        Planted("a command takes any row", _patched(Transaction, "visible", lambda _tx, _model: []), scopes.named_rows),
        Planted("permissions are not asked", _patched(RequestContext, "require", _no_question), walls.permissions),
        Planted("a module checks no signature", _patched(endpoints, "verify_internal", _unverified), walls.tokens),
        Planted("a token serves any body", _patched(wire_tokens, "body_hash", lambda _body: "same"), walls.tokens),
        Planted("a token lives for a day", _patched(wire_tokens, "_LEEWAY_S", 86_400), walls.tokens),
        Planted("the gateway lets anybody in", _patched(Pipeline, "_principal", _anybody), walls.edge),
        Planted("the gateway believes a header", _patched(Pipeline, "_principal", _by_header), walls.edge),
        Planted("a loader serves all requests", _patched(RequestContext, "loader", _lasting_loader()), walk),
        Planted("a resolver passes all walls by", _unwalled_rows, walk),
        Planted("a foreign id answers otherwise", _telling_rows, walk),
    ]


_OFF = "alter table {slug}.{table} disable row level security"
_ON = "alter table {slug}.{table} enable row level security"
_OPEN = "create policy planted on {slug}.{table} to mewayz_{slug}_app using (true)"
_SHUT = "drop policy planted on {slug}.{table}"
_NEW_TABLE = "create table {slug}.planted (tenant_id uuid, id uuid)"
_NEW_KEY = "create unique index planted_key on {slug}.{table} (id, tenant_id)"


def _sql(removes: str, restores: str) -> Callable[[World], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def removed(world: World) -> AsyncGenerator[None]:
        proven = next(iter(world.modules.values()))
        table = next(iter(proven.module.entities)).__tablename__
        await proven.as_owner(removes.format(slug=proven.slug, table=table))
        try:
            yield
        finally:
            await proven.as_owner(restores.format(slug=proven.slug, table=table))

    return removed


def _unheard(kind: str, name: str) -> Callable[[World], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def removed(_world: World) -> AsyncGenerator[None]:
        listener = getattr(transactions, name)
        event.remove(Session, kind, listener)
        try:
            yield
        finally:
            event.listen(Session, kind, listener)

    return removed


def _patched(owner: Any, name: str, value: Any) -> Callable[[World], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def removed(_world: World) -> AsyncGenerator[None]:
        with _set(owner, name, value):
            yield

    return removed


@contextmanager
def _set(owner: Any, name: str, value: Any) -> Generator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@asynccontextmanager
async def _serving_on(_world: World) -> AsyncGenerator[None]:
    """The pool lends whatever connection it has, also one whose BEGIN or COMMIT was given up."""

    async def execute(
        connection: Any,
        query: str,
        *args: Any,
        timeout: float | None = None,  # noqa: ASYNC109 asyncpg's name for it
    ) -> str:
        settings = engines._SETTINGS.get() if query.startswith("BEGIN") else ""  # pyright: ignore[reportPrivateUsage]
        return await asyncpg.Connection.execute(connection, query + settings, *args, timeout=timeout)

    with (
        _set(engines._TenantConnection, "execute", execute),  # pyright: ignore[reportPrivateUsage]
        _set(engines, "_must_be_usable", lambda *_: None),
    ):
        yield


@contextmanager
def _lasting_scope(tenant: UUID, *, timeout_s: float = 5.0) -> Generator[None]:
    before = engines._SETTINGS.set(f"set app.tenant_id = '{tenant}';")  # pyright: ignore[reportPrivateUsage]
    try:
        yield
    finally:
        engines._SETTINGS.reset(before)  # pyright: ignore[reportPrivateUsage]


def _any_scope(_principal: Principal, _permission: str) -> RowScope:
    return RowScope.TENANT


def _no_question(_context: RequestContext, _permission: str) -> RowScope:
    return RowScope.TENANT


def _unverified(token: str, _keys: Any, **_expected: Any) -> InternalToken:
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError as error:
        raise Unauthenticated(str(error)) from error
    principal = Principal(tenant=UUID(claims["tid"]), permissions=tuple(claims["perms"]))
    return InternalToken(principal=principal, via="router", deadline=float(claims.get("dl", 2e9)))


async def _anybody(_pipeline: Pipeline, _request: Any) -> Principal:
    return Principal(tenant=A.tenant, permissions=("*",))


_verified = Pipeline._principal  # pyright: ignore[reportPrivateUsage]


async def _by_header(pipeline: Pipeline, request: Any) -> Principal | None:
    principal = await _verified(pipeline, request)
    wanted = request.headers.get(b"x-tenant-id")
    return msgspec.structs.replace(principal, tenant=UUID(wanted.decode())) if principal and wanted else principal


def _lasting_loader() -> Any:
    original = RequestContext.loader
    kept: dict[Any, Any] = {}

    def loader(context: RequestContext, key: Any, load: Any, **more: Any) -> Any:
        def seen(tx: Any, ids: list[Any]) -> Any:
            return load(tx, ids)

        async def remembering(tx: Any, ids: list[Any]) -> Any:
            missing = [one for one in ids if (key, one) not in kept]
            for one, row in zip(missing, await seen(tx, missing) if missing else [], strict=True):
                kept[key, one] = row
            return [kept[key, one] for one in ids]

        return original(context, key, remembering, **more)

    return loader


@asynccontextmanager
async def _unwalled_rows(world: World) -> AsyncGenerator[None]:
    """A resolver that asks for a row by id alone, on a connection that no policy binds."""

    async def load(context: RequestContext, model: Any, row_id: object) -> Any:
        engine = world.modules[context.module].unwalled
        async with engine.connect() as connection:
            found = (await connection.execute(select(model.tenant_id).where(model.__table__.c.id == row_id))).first()
        owner = Principal(tenant=found.tenant_id, permissions=("*",)) if found else context.principal
        async with Database(engine, context.module, world.clock).transaction(owner) as tx:
            return await tx.first_where(model, model.id == row_id)

    with _set(schemas, "load_row", load):
        yield


@asynccontextmanager
async def _telling_rows(world: World) -> AsyncGenerator[None]:
    """A resolver that says of another tenant's row that it may not be seen: so it exists."""

    async def load(context: RequestContext, model: Any, row_id: object) -> Any:
        statement = select(model.tenant_id).where(model.__table__.c.id == row_id)
        async with world.modules[context.module].unwalled.connect() as connection:
            owners = {row.tenant_id for row in await connection.execute(statement)}
        if owners == {B.tenant} and context.principal.tenant == A.tenant:
            raise ValueError("not yours")
        return await load_row(context, model, row_id)

    with _set(schemas, "load_row", load):
        yield
