"""Parked events: seen, replayed when the handler is mended, or skipped by an operator (contracts.md, "Events")."""

from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy import text

from shared.database.transaction import Database, Transaction
from shared.errors import Refusal
from shared.events.subscription import Subscription, cause_of, check, subscription_to
from shared.wire.envelope import Envelope
from shared.wire.principal import system

_decode = msgspec.json.Decoder(Envelope).decode

_LIST = """
    select tenant_id, key, sequence, event_id, type, attempts, error, parked_at from kit.inbox_parked
    where ($1::uuid is null or tenant_id = $1) and ($2::text is null or key = $2)
    order by tenant_id, key, sequence limit $3
"""
_COUNT = """
    select count(*) from kit.inbox_parked where ($1::uuid is null or tenant_id = $1) and ($2::text is null or key = $2)
"""
_KEYS = """
    select distinct tenant_id, key from kit.inbox_parked
    where ($1::uuid is null or tenant_id = $1) and ($2::text is null or key = $2) order by tenant_id, key
"""
_SHOW = "select * from kit.inbox_parked where event_id = $1"
# The key's row is locked first, as the consumer does: an event that arrives meanwhile waits, and parks behind.
_LOCK = text("select 1 from kit.inbox_key where tenant_id = :tenant_id and key = :key for update")
_FIRST = text("""
    select id, sequence, body from kit.inbox_parked
    where tenant_id = :tenant_id and key = :key order by sequence limit 1
""")
_TAKE = text("delete from kit.inbox_parked where id = :id")
_MOVE = text("""
    update kit.inbox_key set last_sequence = greatest(last_sequence, :sequence) where tenant_id = :tenant_id and key = :key
""")
_FREE = text("update kit.inbox_key set parked = false where tenant_id = :tenant_id and key = :key")
_NOTE = text("""
    insert into kit.inbox_skipped (tenant_id, key, sequence, event_id, type, body, reason)
    select tenant_id, key, sequence, event_id, type, body, :reason from kit.inbox_parked where id = :id
""")


class NothingParked(Refusal):
    """No event waits under this key."""

    code = "NOTHING_PARKED"

    def __init__(self, key: str) -> None:
        """Name the key."""
        super().__init__("Nothing is parked under {key}: `mewayz events parked list` shows what is.", key=key)


class ParkedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One parked event, as an operator sees it; the first of a key has the error, those behind it wait."""

    tenant_id: UUID
    key: str
    sequence: int
    event_id: UUID
    type: str
    attempts: int
    error: str | None
    parked_at: str


async def list_parked(relay_url: str, tenant: UUID | None, key: str | None, limit: int = 200) -> list[ParkedEvent]:
    """Return parked events, by tenant, key and sequence, at most `limit`. Reads as the relay role."""
    rows = await _read(relay_url, _LIST, tenant, key, limit)
    return [ParkedEvent(**{**dict(row), "parked_at": row["parked_at"].isoformat()}) for row in rows]


async def count_parked(relay_url: str, tenant: UUID | None, key: str | None) -> int:
    """Return how many events are parked, of a tenant and a key or of all."""
    ((count,),) = await _read(relay_url, _COUNT, tenant, key)
    return count


async def parked_keys(relay_url: str, tenant: UUID | None, key: str | None) -> list[tuple[UUID, str]]:
    """Return the tenant and key of each aggregate that is parked."""
    return [(row["tenant_id"], row["key"]) for row in await _read(relay_url, _KEYS, tenant, key)]


async def show_parked(relay_url: str, event_id: UUID) -> dict[str, Any] | None:
    """Return one parked event with the bytes it came in, None for an id that isn't parked."""
    rows = await _read(relay_url, _SHOW, event_id)
    return {**dict(rows[0]), "body": bytes(rows[0]["body"]).decode(errors="replace")} if rows else None


async def _read(relay_url: str, statement: str, *values: Any) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(relay_url)
    try:
        return await connection.fetch(statement, *values)
    finally:
        await connection.close()


async def replay(database: Database, subscriptions: dict[str, Subscription], tenant: UUID, key: str) -> int:
    """Apply a key's parked events in order, each in a transaction of its own; return how many.

    External effects (mail, webhooks, payments) are left out: an operator repeats them by hand, knowing the day.

    Raises NothingParked, and what the handler raises: then the event stays parked with those behind it.
    """
    applied = 0
    while await _apply_first(database, subscriptions, tenant, key, must=applied == 0):
        applied += 1
    return applied


async def skip(database: Database, tenant: UUID, key: str, reason: str) -> UUID:
    """Drop the first parked event of a key, keep it among the skipped with `reason`, and return its id.

    Those behind it stay parked until they are replayed. Raises NothingParked.
    """
    async with database.transaction(system(tenant)) as tx:
        first = await _first(tx, key)
        if first is None:
            raise NothingParked(key)
        await tx.session.execute(_NOTE, {"id": first.id, "reason": reason})
        await _settle(tx, key, first)
        return _decode(bytes(first.body)).id


async def _apply_first(
    database: Database, subscriptions: dict[str, Subscription], tenant: UUID, key: str, *, must: bool
) -> bool:
    async with database.transaction(system(tenant)) as tx:
        first = await _first(tx, key)
        if first is None and must:
            raise NothingParked(key)
        if first is None:
            return False
        envelope = _decode(bytes(first.body))
        tx.cause = cause_of(envelope)
        subscription = subscription_to(subscriptions, envelope.type)
        if subscription is not None and not subscription.external:
            event = check(envelope, subscription)
            await subscription.handler(tx, event)
        await _settle(tx, key, first)
    return True


async def _first(tx: Transaction, key: str) -> Any:
    where = {"tenant_id": tx.tenant_id, "key": key}
    await tx.session.execute(_LOCK, where)
    return (await tx.session.execute(_FIRST, where)).first()


async def _settle(tx: Transaction, key: str, done: Any) -> None:
    where = {"tenant_id": tx.tenant_id, "key": key}
    await tx.session.execute(_TAKE, {"id": done.id})
    await tx.session.execute(_MOVE, {**where, "sequence": done.sequence})
    if (await tx.session.execute(_FIRST, where)).first() is None:
        await tx.session.execute(_FREE, where)
