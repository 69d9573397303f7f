"""Demo data: the same rows in every run, written by the modules' own commands (catalogue, demo.md)."""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar, get_type_hints
from uuid import UUID, uuid5

from sqlalchemy import select, text

from shared.clock import DEMO_NAMESPACE
from shared.commands.command import Call, CommandMark, run_command
from shared.database.entity import Entity
from shared.database.transaction import Database, Transaction
from shared.errors import Defect, NotYet
from shared.module import Module
from shared.values import PlantMark, mark_of, put_mark
from shared.wire.control import DemoTenant
from shared.wire.envelope import Cause
from shared.wire.principal import Principal

F = TypeVar("F", bound=Callable[..., Any])
_KNOWN_S = 30.0


@dataclass(frozen=True, slots=True)
class FoundMark:
    """The function of identity that makes the demo tenants: `(database, extras, as_of) -> list[DemoTenant]`.

    `database` is identity's, `extras` are its engines of further roles. What exists already is left as it is, but its
    logins get new passwords: nobody knows the old ones.
    """


def founds(function: F) -> F:
    """Mark the function that makes the demo tenants. See FoundMark."""
    return put_mark(function, FoundMark())


def plants(order: int) -> Callable[[F], F]:
    """Mark the function that plants a module's demo data. See PlantMark."""
    return lambda function: put_mark(function, PlantMark(order))


class _Moment:
    """A clock that stands where the demo's story is."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


class Demo:
    """The planting of one module in one tenant."""

    def __init__(self, module: Module, database: Database, tenant: UUID, slug: str, as_of: date, scale: float) -> None:
        """Plant into `database`; `slug` is the tenant's, `as_of` the last day of the story."""
        self.module = module
        self.tenant = tenant
        self.slug = slug
        self.as_of = as_of
        self.scale = scale
        self._clock = _Moment(datetime.combine(as_of, time(9), UTC))
        self._database = Database(database.engine, module.slug, self._clock)
        self._principal = Principal(tenant=tenant, user=self.id("identity", "owner", "UserAccount"), permissions=("*",))

    def count(self, full: int, least: int = 3) -> int:
        """Return how many rows of `full` are wanted at this scale, at least `least`."""
        return max(least, round(full * self.scale))

    def random(self, *label: object) -> random.Random:
        """Return a generator that gives the same numbers for the same label in every run."""
        seed = "/".join(["mewayz-demo", self.slug, self.module.slug, *map(str, label)])
        return random.Random(hashlib.sha256(seed.encode()).digest())  # noqa: S311 the same in every run

    def id(self, module: str, label: str, entity: str) -> UUID:
        """Return the id that the row of `entity`, made under `label` by `module`, has: other modules may refer to it."""
        return uuid5(DEMO_NAMESPACE, f"{self.slug}/{module}/{label}/{entity}")

    def day(self, days_ago: int, hour: int = 9) -> datetime:
        """Return an instant `days_ago` days before the story's end."""
        return datetime.combine(self.as_of - timedelta(days=days_ago), time(hour), UTC)

    async def base_currency(self) -> str:
        """Return the tenant's base currency."""
        async with self._database.transaction(self._principal) as tx:
            return (await tx.tenant()).base_currency

    async def call(self, command: Any, label: str, at: datetime, /, finds: UUID | None = None, **arguments: Any) -> Any:
        """Call a command at the instant `at` and return its row; a label that was called before is not called again.

        `finds` is the row's id where the command changes one rather than makes one. Raises Defect where the command
        refuses: demo data that breaks a rule is wrong.
        """
        mark = mark_of(command)
        assert isinstance(mark, CommandMark)
        model: type[Entity] = get_type_hints(command)["return"]
        made = finds or self.id(self.module.slug, label, model.__name__)
        async with self._database.transaction(self._principal) as tx:
            known = await tx.find(select(model).where(model.id == made))
        if known is not None and (finds is None or await self._was_called(command, label)):
            return known
        self._clock.at = at
        with self._ids(label):
            call = Call(self._principal, _CAUSE, arguments, idempotency_key=f"demo:{label}")
            outcome = await run_command(self._database, command, mark, model, call)
        if outcome.errors:
            raise Defect(f"demo {label}: {outcome.errors[0].message}")
        return outcome.result

    async def _was_called(self, command: Any, label: str) -> bool:
        """Tell by the idempotency key, which stays: the relay forgets those of others after a week."""
        statement = text("select 1 from kit.idempotency where command = :command and key = :key")
        async with self._database.transaction(self._principal) as tx:
            key = {"command": command.__name__, "key": f"demo:{label}"}
            return (await tx.session.execute(statement, key)).first() is not None

    async def write(self, work: Callable[[Transaction], Awaitable[Any]], label: str, at: datetime) -> Any:
        """Run `work` in a transaction of its own at the instant `at`, for rows that no command makes."""
        self._clock.at = at
        with self._ids(label):
            async with self._database.transaction(self._principal) as tx:
                return await work(tx)

    @contextmanager
    def _ids(self, label: str) -> Generator[None]:
        counts: dict[str, int] = {}

        def named(row: Entity) -> UUID:
            kind = type(row).__name__
            counts[kind] = counts.get(kind, 0) + 1
            return self.id(self.module.slug, label if counts[kind] == 1 else f"{label}.{counts[kind]}", kind)

        self._database.row_ids = named
        try:
            yield
        finally:
            self._database.row_ids = None


_CAUSE = Cause(correlation_id=uuid5(DEMO_NAMESPACE, "demo"))


async def plant(module: Module, database: Database, tenant: UUID, slug: str, as_of: date, scale: float) -> None:
    """Plant a module's demo data in one tenant, as soon as the module has heard of the tenant. Does nothing twice."""
    demo = Demo(module, database, tenant, slug, as_of, scale)
    await _until_known(database, tenant)
    for function, _ in sorted(module.demo, key=lambda marked: marked[1].order):
        await function(demo)


async def found(module: Module, database: Database, extras: Mapping[str, Any], as_of: date) -> list[DemoTenant]:
    """Make the demo tenants; `module` is the one that has tenants to give. Raises Defect for another."""
    for part in module.parts:
        for function in vars(part).values():
            if isinstance(mark_of(function), FoundMark):
                return await function(database, extras, as_of)
    raise Defect(f"The module {module.slug} makes no tenants.")


async def _until_known(database: Database, tenant: UUID) -> None:
    waited_s = 0.0
    while True:
        try:
            async with database.transaction(Principal(tenant=tenant)) as tx:
                await tx.tenant()
            return
        except NotYet:
            if waited_s >= _KNOWN_S:
                raise
            await asyncio.sleep(0.1)
            waited_s += 0.1
