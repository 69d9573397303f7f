"""Whether a tenant's chain and its seals hold, record by record: what `mewayz audit verify` asks, and each night's check."""

import hashlib
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select

from shared.database.transaction import Transaction
from subgraphs.audit_log.chain import GENESIS, Fault, Place, origin_hash
from subgraphs.audit_log.events import AuditRetentionPurged
from subgraphs.audit_log.models import AuditCheck, AuditOrigin, AuditPurge, AuditRecord, AuditSeal
from subgraphs.audit_log.sealing import acknowledged, report
from subgraphs.audit_log.writing import LAST, newest_purge, records_after

_PAGE = 1000


class Verified(msgspec.Struct, kw_only=True):
    """What one tenant's chain is found to be. `head` is its last hash: kept elsewhere, it tells of a chain made anew.

    `records` is the number of the last one that holds, `purged` of the last one that was taken out by its age; `acknowledged`
    counts faults that somebody has looked at.
    """

    tenant: UUID
    records: int = 0
    purged: int = 0
    seals: int = 0
    acknowledged: int = 0
    head: str = GENESIS
    sealed_to: datetime | None = None
    fault: str = ""
    first_bad: UUID | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing was changed, taken out or put between that nobody has acknowledged."""
        return not self.fault


async def check(tx: Transaction) -> None:
    """Check a tenant's whole chain, and keep and tell what was found."""
    found, fault = await _verify(tx)
    if fault is not None:
        await report(tx, fault)
    tx.add(
        AuditCheck(
            checked_at=tx.now(),
            record_count=found.records - found.purged,
            seal_count=found.seals,
            head_hash=found.head,
            sealed_to=found.sealed_to,
            fault=found.fault or None,
        )
    )


async def verify_tenant(tx: Transaction) -> Verified:
    """Check a tenant's whole chain, its seals, and where requests came from as far as it was not erased.

    Windows that were purged are held by their seals: each is linked to the one before, and the first record that is left
    follows on the hash that the purge has kept, in a record of its own too.
    """
    return (await _verify(tx))[0]


async def window_faults(tx: Transaction, place: Place, seal: AuditSeal) -> AsyncGenerator[Fault]:
    """Yield what is wrong in a seal's window, which begins at `place`; that is moved to its end."""
    root = hashlib.sha256()
    async for page in _pages(tx, place.sequence, seal.last_sequence):
        for fault in await _page_faults(tx, place, page):
            yield fault
        for record in page:
            root.update(record.chain_hash.encode())
    if root.hexdigest() != seal.root_hash:
        yield Fault(f"seal {seal.id} is not over its records", seal.id, seal.root_hash, root.hexdigest())


async def _verify(tx: Transaction) -> tuple[Verified, Fault | None]:
    """Verify, again where records were purged meanwhile."""
    while True:
        purge = await newest_purge(tx)
        found = Verified(tenant=tx.tenant_id)
        first = await _first_fault(tx, found, purge)
        if first is None or await newest_purge(tx) is purge:
            found.fault, found.first_bad = (first.what, first.row_id) if first else ("", None)
            return found, first


async def _first_fault(tx: Transaction, found: Verified, purge: AuditPurge | None) -> Fault | None:
    known = await acknowledged(tx)
    async for fault in _faults(tx, found, purge):
        if fault.key not in known:
            return fault
        found.acknowledged += 1
    return None


async def _faults(tx: Transaction, found: Verified, purge: AuditPurge | None) -> AsyncGenerator[Fault]:
    place = Place()
    if purge is not None:
        place = Place(purge.last_sequence, purge.last_hash)
        found.records, found.purged, found.head = place.sequence, place.sequence, place.hash
        if fault := await _forged(tx, purge):
            yield fault
    before = GENESIS
    async for seal in _seals(tx):
        if seal.previous_seal_hash != before:
            yield Fault(f"seal {seal.id} does not follow", seal.id, before, seal.previous_seal_hash)
        if seal.last_sequence > found.purged:
            async for fault in window_faults(tx, place, seal):
                yield fault
        before, found.seals, found.sealed_to = seal.root_hash, found.seals + 1, seal.sealed_to
        found.records, found.head = max(place.sequence, found.records), place.hash
    async for page in _pages(tx, place.sequence, LAST):
        for fault in await _page_faults(tx, place, page):
            yield fault
        found.records, found.head = place.sequence, place.hash


async def _forged(tx: Transaction, purge: AuditPurge) -> Fault | None:
    """Return a Fault where a purge is not what the chain says: its own record, and the seal it ends at."""
    own = (
        AuditRecord.entity_reference == str(purge.id),
        AuditRecord.subject == AuditRetentionPurged.type,
        AuditRecord.change_summary == purge.summary,
    )
    is_chained = await tx.first_where(AuditRecord, *own)
    is_sealed = await tx.first_where(AuditSeal, AuditSeal.last_sequence == purge.last_sequence)
    if is_chained and is_sealed:
        return None
    return Fault(f"purge {purge.id} is not in the chain", purge.id, "", purge.last_hash)


async def _page_faults(tx: Transaction, place: Place, page: Sequence[Any]) -> list[Fault]:
    found = [fault for record in page if (fault := place.step(record))]
    return found + await _moved_origins(tx, page)


async def _moved_origins(tx: Transaction, page: Sequence[Any]) -> list[Fault]:
    """Return the records whose origin is not what was chained; an erased one tells nothing."""
    wanted = {record.origin_id for record in page if record.origin_id}
    columns = (AuditOrigin.id, AuditOrigin.salt, AuditOrigin.address, AuditOrigin.user_agent)
    rows = await tx.session.execute(select(*columns).where(AuditOrigin.id.in_(wanted))) if wanted else ()
    hashes = {row.id: origin_hash(row.salt, row.address, row.user_agent) for row in rows if row.salt}
    return [
        Fault(
            f"record {record.sequence} came from elsewhere",
            record.id,
            record.origin_hash or "",
            hashes[record.origin_id],
        )
        for record in page
        if record.origin_id in hashes and hashes[record.origin_id] != record.origin_hash
    ]


async def _pages(tx: Transaction, after: int, until: int) -> AsyncGenerator[Sequence[Any]]:
    while page := await records_after(tx, after, _PAGE, until=until):
        after = page[-1].sequence
        yield page


async def _seals(tx: Transaction) -> AsyncGenerator[AuditSeal]:
    last = -1
    while True:
        page = select(AuditSeal).where(AuditSeal.last_sequence > last).order_by(AuditSeal.last_sequence).limit(_PAGE)
        seals = await tx.all(page)
        for seal in seals:
            yield seal
        if len(seals) < _PAGE:
            return
        last = seals[-1].last_sequence
