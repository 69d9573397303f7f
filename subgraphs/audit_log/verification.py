"""Whether a tenant's chain and its seals hold, record by record: what `mewayz audit verify` asks."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Select, select

from shared.database.transaction import Transaction
from subgraphs.audit_log.chain import GENESIS, first_break, root_of
from subgraphs.audit_log.models import AuditOrigin, AuditRecord, AuditSeal

_PAGE = 2000


class Verified(msgspec.Struct, kw_only=True):
    """What one tenant's chain is found to be. `head` is its last hash: kept elsewhere, it tells of a chain made anew."""

    tenant: UUID
    records: int = 0
    seals: int = 0
    head: str = GENESIS
    fault: str = ""
    first_bad: UUID | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing was changed, taken out or put between."""
        return not self.fault


async def verify_tenant(tx: Transaction) -> Verified:
    """Check a tenant's whole chain, its seals, and where requests came from as far as it was not erased."""
    found = Verified(tenant=tx.tenant_id)
    seals = list(await tx.all(select(AuditSeal).order_by(AuditSeal.last_sequence)))
    sealed: list[str] = []
    waiting, before = list(seals), GENESIS
    while page := await _page(tx, found.records):
        if broken := first_break(page, previous=found.head, sequence=found.records):
            found.fault, found.first_bad = f"record {broken.record.sequence} does not follow", broken.record.id
            return found
        if moved := await _moved_origin(tx, page):
            found.fault, found.first_bad = f"record {moved.sequence} came from elsewhere", moved.id
            return found
        for record in page:
            sealed.append(record.chain_hash)
            if waiting and record.sequence == waiting[0].last_sequence:
                seal = waiting.pop(0)
                if seal.root_hash != root_of(sealed) or seal.previous_seal_hash != before:
                    found.fault, found.first_bad = f"seal {seal.id} is not over its records", record.id
                    return found
                sealed, before = [], seal.root_hash
        found.records, found.head = page[-1].sequence, page[-1].chain_hash
        tx.session.expunge_all()
    found.seals = len(seals) - len(waiting)
    if waiting:
        found.fault = f"the records up to {waiting[-1].last_sequence} that a seal counts are gone"
    return found


async def _page(tx: Transaction, after: int) -> Sequence[AuditRecord]:
    statement: Select[Any] = select(AuditRecord).where(AuditRecord.sequence > after)
    return await tx.all(statement.order_by(AuditRecord.sequence).limit(_PAGE))


async def _moved_origin(tx: Transaction, page: Sequence[AuditRecord]) -> AuditRecord | None:
    """Return the first record whose origin is not what was chained; an erased one tells nothing."""
    wanted = {record.origin_id for record in page if record.origin_id}
    origins = {row.id: row for row in await tx.all(select(AuditOrigin).where(AuditOrigin.id.in_(wanted)))}
    for record in page:
        origin = origins.get(record.origin_id) if record.origin_id else None
        if origin is not None and origin.salt and origin.hash != record.origin_hash:
            return record
    return None
