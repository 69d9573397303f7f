"""The inbox: each event of an aggregate applied once, in order, by the process that holds the lease (events.md, B and C3)."""

from enum import Enum

from sqlalchemy import text

from shared.database.transaction import Transaction
from shared.events.lease import LeaseLost
from shared.wire.envelope import Envelope

# Fence and position in one statement. A take-over updates the lease's primary key and so waits for this transaction.
_CLAIM = text("""
    with fence as (
        select 1 from kit.consumer_lease where consumer = :consumer and epoch = :epoch for key share
    ), moved as (
        insert into kit.inbox_key as k (tenant_id, key, last_sequence)
        select :tenant_id, :key, :sequence from fence
        on conflict (tenant_id, key) do update set last_sequence = excluded.last_sequence, moved_at = clock_timestamp()
        where k.last_sequence < excluded.last_sequence and not k.parked
        returning 1
    )
    select
        exists (select from fence) as fenced,
        exists (select from moved) as moved,
        coalesce((select parked from kit.inbox_key where tenant_id = :tenant_id and key = :key), false) as parked
""")
_PARK_KEY = text("""
    insert into kit.inbox_key as k (tenant_id, key, last_sequence, parked)
    select :tenant_id, :key, 0, true
    where exists (select from kit.consumer_lease where consumer = :consumer and epoch = :epoch for key share)
    on conflict (tenant_id, key) do update set parked = true
    returning 1
""")
_PARK = text("""
    insert into kit.inbox_parked (tenant_id, key, sequence, event_id, type, body, error, attempts)
    values (:tenant_id, :key, :sequence, :event_id, :type, :body, :error, :attempts)
    on conflict do nothing
""")


class Claim(Enum):
    """What is to be done with an event."""

    APPLY = "apply"
    KNOWN = "known"  # this event, or a later one of its aggregate, was applied
    BEHIND_PARKED = "behind parked"  # an earlier one of its aggregate is parked: it waits behind


async def claim(tx: Transaction, consumer: str, epoch: int, envelope: Envelope) -> Claim:
    """Move the aggregate's position to this event, if it is next. Raises LeaseLost where another process took over."""
    row = (
        await tx.session.execute(
            _CLAIM,
            {
                "consumer": consumer,
                "epoch": epoch,
                "tenant_id": tx.tenant_id,
                "key": envelope.key,
                "sequence": envelope.sequence,
            },
        )
    ).one()
    if not row.fenced:
        raise LeaseLost("another process of this module took the lease over")
    if row.moved:
        return Claim.APPLY
    return Claim.BEHIND_PARKED if row.parked else Claim.KNOWN


async def park(
    tx: Transaction, consumer: str, epoch: int, envelope: Envelope, body: bytes, error: str, tries: int
) -> None:
    """Park an event and its aggregate's key: later events of the key wait behind it, other keys flow."""
    key = {"tenant_id": tx.tenant_id, "key": envelope.key}
    parked = await tx.session.execute(_PARK_KEY, {**key, "consumer": consumer, "epoch": epoch})
    if parked.first() is None:
        raise LeaseLost("another process of this module took the lease over")
    await park_behind(tx, envelope, body, error, tries)


async def park_behind(tx: Transaction, envelope: Envelope, body: bytes, error: str | None, tries: int) -> None:
    """Append an event to its parked key, with the bytes it came in."""
    row = {"sequence": envelope.sequence, "event_id": envelope.id, "type": envelope.type, "body": body}
    await tx.session.execute(
        _PARK, {"tenant_id": tx.tenant_id, "key": envelope.key, **row, "error": error, "attempts": tries}
    )
