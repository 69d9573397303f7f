"""The inbox: each event of an aggregate applied once, in order, by the process that holds the lease (events.md, B and C3)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum

import asyncpg

from shared.database.transaction import Transaction
from shared.events.lease import LeaseLost
from shared.wire.envelope import Envelope

# Fence and positions in one statement. A take-over updates the lease's primary key and so waits for this transaction.
_CLAIM = """
    with fence as (
        select replayed_until from kit.consumer_lease where consumer = $1 and epoch = $2 for key share
    ), wanted as (
        select * from unnest($4::text[], $5::bigint[]) as wanted (key, sequence)
    ), moved as (
        insert into kit.inbox_key as k (tenant_id, key, last_sequence)
        select $3, key, sequence from wanted, fence order by key
        on conflict (tenant_id, key) do update set last_sequence = excluded.last_sequence, moved_at = clock_timestamp()
        where k.last_sequence < excluded.last_sequence and not k.parked
        returning k.key, coalesce(old.last_sequence, 0) as moved_from
    )
    select wanted.key, exists (select from fence) as fenced, (select replayed_until from fence) as replayed_until,
        moved_from, coalesce(k.parked, false) as parked
    from wanted left join moved using (key)
    left join kit.inbox_key k on k.tenant_id = $3 and k.key = wanted.key
"""
# What a row tells is as new as its aggregate's last event: where just that one was applied last, it is told all the same.
_CLAIM_STATE = """
    with fence as (
        select from kit.consumer_lease where consumer = $1 and epoch = $2 for key share
    ), wanted as (
        select * from unnest($4::text[], $5::bigint[]) as wanted (key, sequence)
    ), moved as (
        insert into kit.inbox_key as k (tenant_id, key, last_sequence)
        select $3, key, sequence from wanted, fence order by key
        on conflict (tenant_id, key) do update set last_sequence = excluded.last_sequence, moved_at = clock_timestamp()
        where k.last_sequence <= excluded.last_sequence and not k.parked
        returning k.key
    )
    select wanted.key, exists (select from fence) as fenced, moved.key is not null as moved,
        coalesce(k.parked, false) as parked
    from wanted left join moved using (key)
    left join kit.inbox_key k on k.tenant_id = $3 and k.key = wanted.key
"""
_PARK_KEY = """
    insert into kit.inbox_key as k (tenant_id, key, last_sequence, parked)
    select $1, $2, 0, true
    where exists (select from kit.consumer_lease where consumer = $3 and epoch = $4 for key share)
    on conflict (tenant_id, key) do update set parked = true
    returning 1
"""
_PARK = """
    insert into kit.inbox_parked (tenant_id, key, sequence, event_id, type, body, error, attempts)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
    on conflict do nothing
"""
_REPLAYED = "update kit.consumer_lease set replayed_until = $1::text::timestamptz"


class Claim(Enum):
    """What is to be done with an event."""

    APPLY = "apply"
    KNOWN = "known"  # this event, or a later one of its aggregate, was applied
    BEHIND_PARKED = "behind parked"  # an earlier one of its aggregate is parked: it waits behind


async def claim(
    tx: Transaction, consumer: str, epoch: int, envelopes: Sequence[Envelope]
) -> tuple[list[Claim], datetime | None]:
    """Move the aggregates' positions to these events, where they are next, and return what is to be done with each.

    The time is the one up to which what the stream took is delivered again, for a rebuild.

    The events are one tenant's, in the order in which they will be applied. Raises LeaseLost where another process took over.
    """
    last = dict[str, int]()
    for envelope in envelopes:
        last[envelope.key] = max(envelope.sequence, last.get(envelope.key, 0))
    rows = await tx.fetch(_CLAIM, consumer, epoch, tx.tenant_id, list(last), list(last.values()))
    if not rows[0]["fenced"]:
        raise LeaseLost("another process of this module took the lease over")
    parked = {row["key"] for row in rows if row["parked"]}
    at = {row["key"]: row["moved_from"] for row in rows if row["moved_from"] is not None}
    claims: list[Claim] = []
    for envelope in envelopes:
        if envelope.key not in at:
            claims.append(Claim.BEHIND_PARKED if envelope.key in parked else Claim.KNOWN)
        elif envelope.sequence <= at[envelope.key]:
            claims.append(Claim.KNOWN)
        else:
            at[envelope.key] = envelope.sequence
            claims.append(Claim.APPLY)
    return claims, rows[0]["replayed_until"]


async def claim_state(tx: Transaction, consumer: str, epoch: int, positions: Mapping[str, int]) -> dict[str, Claim]:
    """Move aggregates to the sequences that their state takes in, and return what is to be done with each.

    Where more of an aggregate was heard already, its state is known. Raises LeaseLost where another process took over.
    """
    rows = await tx.fetch(_CLAIM_STATE, consumer, epoch, tx.tenant_id, list(positions), list(positions.values()))
    if not all(row["fenced"] for row in rows):
        raise LeaseLost("another process of this module took the lease over")
    return {
        row["key"]: Claim.APPLY if row["moved"] else Claim.BEHIND_PARKED if row["parked"] else Claim.KNOWN
        for row in rows
    }


async def park(
    tx: Transaction, consumer: str, epoch: int, envelope: Envelope, body: bytes, error: str, tries: int
) -> None:
    """Park an event and its aggregate's key: later events of the key wait behind it, other keys flow."""
    if not await tx.fetch(_PARK_KEY, tx.tenant_id, envelope.key, consumer, epoch):
        raise LeaseLost("another process of this module took the lease over")
    await park_behind(tx, envelope, body, error, tries)


async def park_behind(tx: Transaction, envelope: Envelope, body: bytes, error: str | None, tries: int) -> None:
    """Append an event to its parked key, with the bytes it came in."""
    event = (envelope.key, envelope.sequence, envelope.id, envelope.type, body)
    await tx.fetch(_PARK, tx.tenant_id, *event, error, tries)


async def say_replayed(relay_url: str, until: str) -> None:
    """Let what the stream took until then, in RFC 3339, count as delivered again. Writes as the relay role."""
    connection = await asyncpg.connect(relay_url)
    try:
        await connection.execute(_REPLAYED, until)
    finally:
        await connection.close()
