"""The one way to rows: a transaction of one tenant, whose events commit with its changes or not at all."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import date, datetime
from functools import cache
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
from sqlalchemy import ColumnElement, ColumnExpressionArgument, Insert, Select, event, false, inspect, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import (
    InstanceState,
    ORMExecuteState,
    Session,
    make_transient_to_detached,
    with_loader_criteria,
)
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.exc import StaleDataError

from shared.clock import Clock, new_id
from shared.database.engine import begun, tenant_scope
from shared.database.entity import Entity
from shared.database.outbox import write_events
from shared.database.refusals import OutOfRange, UniqueTaken
from shared.database.visibility import own_rows, read_permission, visible
from shared.errors import Defect, NotFound, NotYet, StaleVersion
from shared.wire.envelope import Cause, Event
from shared.wire.principal import Principal, RowScope

E = TypeVar("E", bound=Entity)
RowIds = Callable[[Entity], UUID]


class TenantFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a module knows of a tenant: its own copy of identity's facts, kept by events."""

    tenant_id: UUID
    slug: str
    name: str
    time_zone: str
    base_currency: str
    locale: str
    state: str
    region: str | None = None


class Transaction:
    """One database transaction in one tenant, for one principal.

    Rows of other tenants don't exist in it, by three walls: the session filters every ORM statement, stamps every new row
    and refuses a foreign one, and row-level security holds for whatever a statement forgets (security.md, E3).
    """

    def __init__(
        self, session: AsyncSession, slug: str, principal: Principal, clock: Clock, cause: Cause, row_ids: RowIds | None
    ) -> None:
        """Made by `Database.transaction` only."""
        assert principal.tenant is not None
        self.session = session
        self.slug = slug
        self.principal = principal
        self.tenant_id: UUID = principal.tenant
        self.cause = cause
        self.events: list[Event] = []
        self.expected_version: int | None = None
        self.guard: tuple[type[Entity], RowScope] | None = None
        self.reach: tuple[type[Entity], RowScope] | None = (
            None  # the model that a query's permission names, and how far
        )
        self.allowed: set[UUID] = set()  # ids of the rows that the command made, or was given as within its row scope
        self._clock = clock
        self._row_ids = row_ids
        self._facts: TenantFacts | None = None
        self._connection: asyncpg.Connection[Any] | None = None

    def now(self) -> datetime:
        """Return the current instant in UTC."""
        return self._clock.now()

    async def tenant(self) -> TenantFacts:
        """Return the tenant's facts: name, zone, base currency, locale, region. Raises NotYet before the tenant is known here."""
        if self._facts is None:
            found = await self.fetch("select * from kit.tenant")
            if not found:
                raise NotYet(f"the tenant {self.tenant_id}")
            self._facts = TenantFacts(**found[0])
        return self._facts

    async def today(self) -> date:
        """Return the current date in the tenant's time zone."""
        return self.now().astimezone(ZoneInfo((await self.tenant()).time_zone)).date()

    async def get(self, model: type[E], row_id: UUID) -> E:
        """Return the row that the caller names, locked until the end, so that its events keep their order.

        Raises NotFound, also for another tenant's row and for one that is not `visible`, and StaleVersion where the command
        came with `expectedVersion` and this, its first row, has another one.
        """
        row = await self.find(select(model).where(model.id == row_id, *self.visible(model)).with_for_update())
        if row is None:
            raise NotFound(model.__name__, row_id)
        self.allowed.add(row.id)
        expected, self.expected_version = self.expected_version, None
        if expected is not None and expected != row.version:
            raise StaleVersion(model.__name__, expected, row.version)
        return row

    async def follow(self, model: type[E], row_id: UUID) -> E:
        """Return the row that another row refers to, locked until the end, whether or not the caller may read it.

        For rules that need it, as a deal's closing needs its customer; an id that came with the request goes through `get`.
        Raises NotFound.
        """
        row = await self.first_where(model, model.id == row_id, lock=True)
        if row is None:
            raise NotFound(model.__name__, row_id)
        return row

    def visible(self, model: type[Entity]) -> list[ColumnElement[bool]]:
        """Return the conditions of the rows of `model` that the caller may name: those that they may read.

        Of the model that a command works on, those that its own permission reaches. For sums, too, and for Core statements.
        """
        if self.guard and self.guard[0] is model:
            return visible(model, self.principal, self.guard[1])
        scope = self.principal.scope(read_permission(model))
        return [false()] if scope is None else visible(model, self.principal, scope)

    async def fetch(self, statement: str, *args: Any) -> list[asyncpg.Record]:
        """Return the rows of one SQL statement with `$1`, `$2` and so on, sent past the session: a fifth of its cost.

        For statements that are always the same. They see what was flushed. Raises what asyncpg raises.
        """
        if self._connection is None:
            self._connection = await begun(self.session)
        return await self._connection.fetch(statement, *args)

    async def find(self, statement: Select[E]) -> E | None:
        """Return the first row of a statement, or None."""
        return (await self.session.scalars(statement)).first()

    async def all(self, statement: Select[E]) -> Sequence[E]:
        """Return all rows of a statement; give it a limit, or a condition that bounds it."""
        return (await self.session.scalars(statement)).all()

    async def first_where(
        self, model: type[E], *conditions: ColumnExpressionArgument[bool], lock: bool = False
    ) -> E | None:
        """Return one row of `model` that meets the conditions, or None; `lock` holds it until the end."""
        statement = select(model).where(*conditions).limit(1)
        return await self.find(statement.with_for_update() if lock else statement)

    def add(self, row: E) -> E:
        """Put a new row in: it gets its tenant, times and id here."""
        self.stamp(row)
        self.session.add(row)
        return row

    def stamp(self, row: Entity) -> None:
        """Give a new row its tenant, times and id."""
        row.tenant_id = self.tenant_id
        row.id = self._row_ids(row) if self._row_ids else new_id(self.now())
        self.allowed.add(row.id)
        row.created_at = row.updated_at = self.now()
        row.created_by = self.principal.user

    async def ensure(self, row: E, *key: str) -> E:
        """Return the row with the same values in the unique columns `key`, locked until the end; `row` if there is none.

        Two transactions that ask at the same moment get the same row, one after the other.
        """
        model = type(row)
        self.stamp(row)
        row.version = 1
        values = {attr.key: getattr(row, attr.key) for attr in model.__mapper__.column_attrs}
        columns = {attr.columns[0].key: values[attr.key] for attr in model.__mapper__.column_attrs}
        if (await self.session.execute(_insert_if_new(model), columns)).first():
            for name in values.keys() - row.__dict__.keys():  # what was never set is null
                set_committed_value(row, name, None)
            make_transient_to_detached(row)  # it is in the database as it is here: nothing is left to be read
            self.session.add(row)
            return row
        same = [getattr(model, name) == getattr(row, name) for name in key]
        statement = select(model).where(*same).with_for_update()
        # What another transaction wrote meanwhile counts, also where this session has read the row before.
        found = await self.find(statement.execution_options(populate_existing=True))
        if found is None:
            raise Defect(f"{model.__name__} has no unique key {key}.")
        return found

    def publish(self, *events: Event) -> None:
        """Let facts go out when this transaction commits, in this order."""
        self.events.extend(events)

    async def rest(self) -> None:
        """End what was begun, and hold no connection until the next statement: for a transaction that only reads."""
        if self.session.in_transaction():
            await self.session.commit()
            self._connection = None

    async def write(self) -> None:
        """Send what is still to be written to the database: changed rows, then the events, for the cause that holds now."""
        if _is_pending(self.session.sync_session):
            await self.session.flush()
        if self.events:
            await write_events(self)
            self.events.clear()


class Database:
    """A module's database as its app role sees it."""

    def __init__(
        self, engine: AsyncEngine, slug: str, clock: Clock, on_events: Callable[[], None] | None = None
    ) -> None:
        """Use `engine`; `on_events` is called after each commit that left rows in the outbox: it wakes the relay."""
        self.engine = engine
        self.slug = slug
        self.clock = clock
        self.row_ids: RowIds | None = None  # set for demo rows, whose ids are the same in every run
        self._on_events = on_events
        self._open = 0
        self._used_at = time.monotonic()

    @asynccontextmanager
    async def transaction(
        self, principal: Principal, cause: Cause | None = None, *, timeout_s: float = 5.0
    ) -> AsyncGenerator[Transaction]:
        """Open a transaction in the principal's tenant; it commits at the end, or leaves nothing when an error passes.

        Raises StaleVersion when a row was changed at the same moment, UniqueTaken when a unique key is taken, and OutOfRange
        for a number that its column can't hold.
        """
        assert principal.tenant is not None, "a transaction needs a tenant"
        cause = cause or Cause(correlation_id=new_id(self.clock.now()))
        session = AsyncSession(self.engine, expire_on_commit=False)
        tx = Transaction(session, self.slug, principal, self.clock, cause, self.row_ids)
        session.sync_session.info["tx"] = tx
        with self._in_use(), tenant_scope(principal.tenant, timeout_s=timeout_s):
            try:
                yield tx
                await tx.write()
                await session.commit()
            except StaleDataError as error:
                raise StaleVersion(_entity_of(error), None, None) from error
            except IntegrityError as error:
                constraint: str | None = getattr(error.orig.__cause__, "constraint_name", None) if error.orig else None
                if constraint and constraint.startswith("uq_"):
                    raise UniqueTaken(constraint) from error
                raise
            except DBAPIError as error:
                if isinstance(error.orig and error.orig.__cause__, asyncpg.NumericValueOutOfRangeError):
                    raise OutOfRange from error
                raise
            finally:
                if session.in_transaction():
                    await asyncio.shield(session.close())  # rolled back, also where this task is being cancelled
                else:
                    session.sync_session.close()
        if session.sync_session.info.get("has_events") and self._on_events:
            self._on_events()

    async def keep_lean(self, idle_s: float = 15.0) -> None:
        """Close connections that nobody has used for `idle_s`, until cancelled: each holds some 3 MB of the server."""
        while True:
            await asyncio.sleep(idle_s / 3)
            if not self._open and 0 < self._used_at < time.monotonic() - idle_s:
                self._used_at = 0.0  # until the next use
                await self.engine.dispose()

    @contextmanager
    def _in_use(self) -> Generator[None]:
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
            self._used_at = time.monotonic()

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


def _is_pending(session: Session) -> bool:
    return bool(session.new or session.deleted) or any(map(_is_changed, session.dirty))


@cache
def _insert_if_new(model: type[Entity]) -> Insert:
    """Return the statement that inserts a row, and returns its id, unless one of its unique keys is taken."""
    table: Any = model.__table__
    return insert(table).on_conflict_do_nothing().returning(table.c.id)


@event.listens_for(Session, "do_orm_execute")
def _only_own_rows(state: ORMExecuteState) -> None:
    """Add the tenant to every ORM statement (wall 3), and to a query's the row scope of the permission it was marked with."""
    tx: Transaction | None = state.session.info.get("tx")
    if tx is None or not (state.is_select or state.is_update or state.is_delete) or state.is_column_load:
        return
    state.statement = state.statement.options(own_rows(tx.slug, tx.tenant_id))
    if tx.reach is not None and state.is_select:
        model, scope = tx.reach
        for condition in visible(model, tx.principal, scope):
            state.statement = state.statement.options(with_loader_criteria(model, condition, include_aliases=True))


@event.listens_for(Session, "before_flush")
def _only_own_writes(session: Session, _context: Any, _instances: Any) -> None:
    """Stamp new rows that didn't come by `Transaction.add`, touch changed ones, refuse foreign ones (wall 3)."""
    tx: Transaction | None = session.info.get("tx")
    if tx is None:
        return
    for row in session.new:
        if isinstance(row, Entity) and row.id is None:  # pyright: ignore[reportUnnecessaryComparison]
            tx.stamp(row)
    for row in (*session.new, *session.dirty, *session.deleted):
        if isinstance(row, Entity) and row.tenant_id != tx.tenant_id:
            raise Defect(f"A {type(row).__name__} of another tenant was about to be written.", tenant=tx.tenant_id)
    for row in session.dirty:
        if isinstance(row, Entity) and _is_changed(row):
            row.updated_at = tx.now()


def _is_changed(row: object) -> bool:
    """Tell by the columns alone: of a composite whose amount changed SQLAlchemy would build an old value half of None."""
    state: InstanceState[Any] = inspect(row)
    return any(state.attrs[column.key].history.has_changes() for column in state.mapper.column_attrs)


def _entity_of(error: StaleDataError) -> str:
    return (
        str(error).split("table '")[-1].split("'")[0].replace("_", " ").capitalize()
        if "table '" in str(error)
        else "The row"
    )
