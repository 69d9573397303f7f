"""State that others keep copies of: told of rows as they are now, to a module that came after their events (ADR 0026).

The stream keeps thirty days. What a row's older events said is still there in the row, so its owner tells it again, in the
same payloads, with the number of the last event that it takes in: events up to that one are known, later ones apply.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import structlog
from sqlalchemy import select

from shared.database.entity import Entity
from shared.database.faults import is_transient
from shared.database.transaction import Database, Transaction
from shared.events.inbox import Claim, claim_state
from shared.events.lease import Lease, LeaseLost
from shared.events.subscription import Subscription, UnknownVersion
from shared.values import put_mark
from shared.wire.envelope import Event, ordering_key
from shared.wire.principal import system

log = structlog.get_logger()
_PAGE = 500
_TOGETHER = 50
_READ_S = 60.0
_SNAPSHOT = "set transaction isolation level repeatable read, read only"
_ERASED = "select row_id from kit.erased where tenant_id = $1 and row_id = any($2::uuid[])"
_SEQUENCES = "select key, sequence from kit.outbox_key where tenant_id = $1 and key = any($2::text[])"

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class StateMark:
    """An async function `(tx, rows) -> [events]`: what others would know of these rows, had they heard all their events.

    `model` is the row whose id is the events' aggregate, `kinds` are the events told, in the order in which they once
    happened; a row may have none. Of an aggregate all is told at once, also what lies in other rows, for the events
    that it takes in are not heard any more.
    """

    model: type[Entity]
    kinds: tuple[type[Event], ...]


def state_of(model: type[Entity], *kinds: type[Event]) -> Callable[[F], F]:
    """Mark a function that tells of rows as they are now. See StateMark."""
    return lambda function: put_mark(function, StateMark(model, kinds))


@dataclass(frozen=True, slots=True)
class Standing:
    """How an aggregate stands: what tells it, and the sequence of the last of its events that this takes in."""

    key: str
    sequence: int
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class StatePage:
    """Some of a tenant's rows: how they stand, and the id after which the next ones come, None behind the last."""

    standings: tuple[Standing, ...]
    next_after: UUID | None


@dataclass(frozen=True, slots=True)
class Untold:
    """An aggregate that could not be told of, and why."""

    key: str
    reason: str


async def read_state(database: Database, told: tuple[Any, StateMark], tenant: UUID, after: UUID) -> StatePage:
    """Return how the owner's next 500 rows stand: rows and sequences of one moment, read as its own app role."""
    function, mark = told
    model = mark.model
    async with database.transaction(system(tenant), timeout_s=_READ_S) as tx:
        await tx.fetch(_SNAPSHOT)
        rows = await tx.all(select(model).where(model.id > after).order_by(model.id).limit(_PAGE))
        erased = {row["row_id"] for row in await tx.fetch(_ERASED, tenant, [row.id for row in rows])}
        events: dict[str, list[Event]] = {}
        for event in await function(tx, [row for row in rows if row.id not in erased]):
            events.setdefault(ordering_key(event.aggregate or "", event.subject), []).append(event)
        sequences = {row["key"]: row["sequence"] for row in await tx.fetch(_SEQUENCES, tenant, list(events))}
    standings = (Standing(key, sequences.get(key, 0), tuple(those)) for key, those in events.items())
    return StatePage(tuple(standings), rows[-1].id if len(rows) == _PAGE else None)


async def keep_state(
    database: Database, lease: Lease, kept: Mapping[str, Subscription], tenant: UUID, standings: Sequence[Standing]
) -> list[Untold]:
    """Let a module's handlers that keep copies hear how aggregates stand; return those that could not be told of.

    What the module has heard more of already is passed over. Told twice, the second time changes nothing. Raises LeaseLost,
    and what passes by itself: then it is to be done again.
    """
    untold: list[Untold] = []
    wanted = [one for one in standings if any(event.type in kept for event in one.events)]
    for at in range(0, len(wanted), _TOGETHER):
        together = wanted[at : at + _TOGETHER]
        try:
            untold += await _apply(database, lease, kept, tenant, together)
        except Exception as error:
            if _passes(error):
                raise
            for one in together:
                untold += await _apply_alone(database, lease, kept, tenant, one)
    return untold


async def _apply_alone(
    database: Database, lease: Lease, kept: Mapping[str, Subscription], tenant: UUID, standing: Standing
) -> list[Untold]:
    try:
        return await _apply(database, lease, kept, tenant, [standing])
    except Exception as error:
        if _passes(error):
            raise
        reason = f"{type(error).__name__}: {error}"
        log.warning("state_untold", module=lease.consumer, tenant=str(tenant), key=standing.key, error=reason)
        return [Untold(standing.key, reason)]


async def _apply(
    database: Database, lease: Lease, kept: Mapping[str, Subscription], tenant: UUID, standings: Sequence[Standing]
) -> list[Untold]:
    async with database.transaction(system(tenant)) as tx:
        positions = {one.key: one.sequence for one in standings}
        claims = await claim_state(tx, lease.consumer, lease.epoch, positions)
        for one in standings:
            if claims[one.key] is Claim.APPLY:
                for event in one.events:
                    await _hear(tx, kept, event)
    parked = [key for key, what in claims.items() if what is Claim.BEHIND_PARKED]
    return [Untold(key, "an event of it is parked: replay or skip it first") for key in parked]


async def _hear(tx: Transaction, kept: Mapping[str, Subscription], event: Event) -> None:
    """Let a handler hear what a row tells, in the form in which it would have come over the wire."""
    subscription = kept.get(event.type)
    if subscription is None or subscription.reading is None:
        return
    if event.schema_version > subscription.reading.schema_version:
        raise UnknownVersion(event.type, event.schema_version, subscription.reading.schema_version)
    await subscription.handler(tx, subscription.reading.model_validate(event.model_dump(mode="json", by_alias=True)))
    await tx.write()
    tx.session.expunge_all()  # the next one reads rows anew, as in a transaction of its own


def _passes(error: Exception) -> bool:
    return isinstance(error, LeaseLost) or is_transient(error)
