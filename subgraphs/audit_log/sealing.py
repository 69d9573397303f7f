"""Sealing, and what stops it: a fault is told once, and sealing goes on when somebody has acknowledged it (AUD-2)."""

from collections.abc import Collection
from uuid import UUID

import structlog
from sqlalchemy import select

from shared.database.transaction import Transaction
from subgraphs.audit_log.chain import GENESIS, Fault, root_of
from subgraphs.audit_log.events import AuditTamperDetected
from subgraphs.audit_log.models import AuditRecordAction, AuditSeal, AuditTamper
from subgraphs.audit_log.writing import lock_chain, note, place_at, records_after

log = structlog.get_logger()
MOST_SEALED = 10_000  # records of a window
_MOST_WINDOWS = 5

Known = Collection[tuple[UUID, str, str]]
"""The keys of faults that were acknowledged."""


async def seal(tx: Transaction) -> None:
    """Seal what was recorded since the last seal, in windows of 10,000 records at most, and publish the facts.

    A record that does not follow on the one before is told instead. As long as that is not acknowledged nothing is sealed.
    """
    await lock_chain(tx)
    for _ in range(_MOST_WINDOWS):
        if await is_stopped(tx) or not await _seal_window(tx):
            return


async def is_stopped(tx: Transaction) -> bool:
    """Tell whether a fault waits for somebody to look at it."""
    return await tx.first_where(AuditTamper, AuditTamper.acknowledged_at.is_(None)) is not None


async def acknowledged(tx: Transaction) -> Known:
    """Return the faults that somebody has looked at."""
    columns = (AuditTamper.first_bad_record_id, AuditTamper.expected_hash, AuditTamper.found_hash)
    rows = await tx.session.execute(select(*columns).where(AuditTamper.acknowledged_at.is_not(None)))
    return {(row[0], row[1], row[2]) for row in rows}


async def report(tx: Transaction, fault: Fault) -> None:
    """Keep and tell a fault, once."""
    await lock_chain(tx)
    same = (
        AuditTamper.first_bad_record_id == fault.row_id,
        AuditTamper.expected_hash == fault.expected,
        AuditTamper.found_hash == fault.found,
    )
    if await tx.first_where(AuditTamper, *same):
        return
    tamper = tx.add(
        AuditTamper(
            what=fault.what,
            first_bad_record_id=fault.row_id,
            expected_hash=fault.expected,
            found_hash=fault.found,
            detected_at=tx.now(),
        )
    )
    tx.publish(tamper.detected())
    log.error("audit_tamper_detected", module=tx.slug, tenant=str(tx.tenant_id), what=fault.what)
    summary = f"firstBadRecordId={fault.row_id} expectedHash={fault.expected} foundHash={fault.found}"
    await note(tx, AuditTamperDetected.type, AuditRecordAction.EXECUTE, tamper, summary)


async def acknowledge(tx: Transaction, tamper: AuditTamper, explanation: str) -> None:
    """Let sealing go on behind a fault. Raises IllegalState where that was done."""
    tamper.acknowledge(tx.principal.user, tx.now(), explanation)
    summary = f"firstBadRecordId={tamper.first_bad_record_id}"
    await note(tx, "audit.tamper.acknowledged", AuditRecordAction.EXECUTE, tamper, summary)


async def _seal_window(tx: Transaction) -> bool:
    """Seal one window; return whether there may be another."""
    before = await tx.find(select(AuditSeal).order_by(AuditSeal.last_sequence.desc()).limit(1))
    done = before.last_sequence if before else 0
    place, known = await place_at(tx, done), await acknowledged(tx)
    records = await records_after(tx, done, MOST_SEALED)
    for record in records:
        fault = place.step(record)
        if fault and fault.key not in known:
            await report(tx, fault)
            return False
    if not records:
        return False
    row = AuditSeal(
        sealed_from=records[0].occurred_at,
        sealed_to=records[-1].occurred_at,
        record_count=len(records),
        last_sequence=records[-1].sequence,
        root_hash=root_of(record.chain_hash for record in records),
        previous_seal_hash=before.root_hash if before else GENESIS,
    )
    tx.publish(tx.add(row).sealed())
    return len(records) == MOST_SEALED
