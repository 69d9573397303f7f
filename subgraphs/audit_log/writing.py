"""Writing to the chain: one record after the other within a tenant."""

import secrets
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from shared.clock import new_id
from shared.database.entity import Entity
from shared.database.transaction import Transaction
from subgraphs.audit_log.chain import CHAINED, Place, hash_of
from subgraphs.audit_log.models import AuditOrigin, AuditPurge, AuditRecord, AuditRecordAction

_LOCK = text("select pg_advisory_xact_lock(hashtextextended('audit ' || :tenant, 0))")
LAST = 2**31 - 1  # no record has a greater number
_COLUMNS = [getattr(AuditRecord, name) for name in (*CHAINED, "previous_hash", "chain_hash", "origin_id")]


async def lock_chain(tx: Transaction) -> None:
    """Hold the end of the tenant's chain until the transaction ends: nobody else appends, seals or purges."""
    await tx.session.execute(_LOCK, {"tenant": str(tx.tenant_id)})


async def append(tx: Transaction, record: AuditRecord, address: str | None = None, agent: str | None = None) -> None:
    """Put a record at the end of the tenant's chain; one whose event is there already is left out (AUD-3).

    Records of one tenant are chained one after the other, by a lock that ends with the transaction.
    """
    await lock_chain(tx)
    if await tx.first_where(AuditRecord, AuditRecord.event_id == record.event_id):
        return
    end = await end_of_chain(tx)
    if address or agent:
        origin = await _origin(tx, record.actor_user_id, address, agent)
        record.origin_id, record.origin_hash = origin.id, origin.hash
    tx.stamp(record)
    record.sequence, record.previous_hash = end.sequence + 1, end.hash
    record.chain_hash = hash_of(end.hash, record)
    tx.session.add(record)


async def note(tx: Transaction, subject: str, action: AuditRecordAction, row: Entity, summary: str = "") -> None:
    """Record what was done to the log itself, in the same transaction: it hears no events of its own."""
    record = AuditRecord(
        subject=subject,
        action=action,
        module_slug=tx.slug,
        actor_user_id=tx.principal.user,
        entity_type=type(row).__name__,
        entity_reference=str(row.id),
        occurred_at=tx.now(),
        event_id=str(new_id(tx.now())),
        change_summary=summary or None,
        request_id=str(tx.cause.correlation_id),
    )
    await append(tx, record, tx.principal.address)


async def end_of_chain(tx: Transaction) -> Place:
    """Return the place behind the last record, also where all were purged."""
    return await place_at(tx, LAST)


async def place_at(tx: Transaction, sequence: int) -> Place:
    """Return the place behind the record with number `sequence`; behind the last one before it where that one is gone."""
    until = select(AuditRecord).where(AuditRecord.sequence <= sequence)
    record = await tx.find(until.order_by(AuditRecord.sequence.desc()).limit(1))
    if record is not None:
        return Place(record.sequence, record.chain_hash)
    purge = await newest_purge(tx, until=sequence)
    return Place(purge.last_sequence, purge.last_hash) if purge else Place()


async def newest_purge(tx: Transaction, *, until: int = LAST) -> AuditPurge | None:
    """Return the last purge that reached no further than number `until`."""
    reached = select(AuditPurge).where(AuditPurge.last_sequence <= until)
    return await tx.find(reached.order_by(AuditPurge.last_sequence.desc()).limit(1))


async def records_after(tx: Transaction, sequence: int, most: int, *, until: int = LAST) -> Sequence[Any]:
    """Return up to `most` records behind number `sequence`, as rows of what is chained: cheaper than entities."""
    statement = select(*_COLUMNS).where(AuditRecord.sequence > sequence, AuditRecord.sequence <= until)
    return (await tx.session.execute(statement.order_by(AuditRecord.sequence).limit(most))).all()


async def _origin(tx: Transaction, actor: UUID | None, address: str | None, agent: str | None) -> AuditOrigin:
    agent = agent[:300] if agent else None
    same = (
        AuditOrigin.actor_user_id.is_not_distinct_from(actor),
        AuditOrigin.address.is_not_distinct_from(address),
        AuditOrigin.user_agent.is_not_distinct_from(agent),
    )
    known = await tx.first_where(AuditOrigin, *same)
    return known or tx.add(
        AuditOrigin(actor_user_id=actor, address=address, user_agent=agent, salt=secrets.token_hex(16))
    )
