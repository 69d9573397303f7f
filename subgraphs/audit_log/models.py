"""Records, where they came from, and the seals over them (tier1.md, 16)."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import select, text
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.database.transaction import Transaction
from shared.values import Personal, Ref
from subgraphs.audit_log.chain import GENESIS, first_break, hash_of, origin_hash, root_of
from subgraphs.audit_log.events import AuditSealed, AuditTamperDetected

_LOCK = text("select pg_advisory_xact_lock(hashtextextended('audit ' || :tenant, 0))")
MOST_SEALED = 10_000

Short = Annotated[str | None, Field(max_length=200)]


class AuditRecordAction(StrEnum):
    """What kind of thing was done; READ and DENIED are of sensitive fields and of refused requests."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    EXECUTE = "EXECUTE"
    READ = "READ"
    LOGIN = "LOGIN"
    EXPORT = "EXPORT"
    DENIED = "DENIED"


class AuditOrigin(Entity):
    """Where somebody's requests came from. It lies outside the chain, so that it can be erased (AUD-4)."""

    __indexes__ = (("actor_user_id", "address"),)

    salt: Mapped[Annotated[str | None, Personal("actor_user_id")]]
    actor_user_id: Mapped[Annotated[UUID | None, Ref("identity.UserAccount")]] = default(None)
    address: Mapped[Annotated[str | None, Field(max_length=100), Personal("actor_user_id")]] = default(None)
    user_agent: Mapped[Annotated[str | None, Field(max_length=300), Personal("actor_user_id")]] = default(None)

    @property
    def hash(self) -> str:
        """What the chain holds of it."""
        return origin_hash(self.salt or "", self.address, self.user_agent)


class AuditRecord(Entity):
    """One thing that was done, or refused: who, what, when and from where. It is never changed (AUD-1)."""

    __append_only__ = True
    __unique__ = (("sequence",), ("event_id",))
    __indexes__ = (("occurred_at",), ("actor_user_id", "occurred_at"), ("module_slug", "occurred_at"))

    subject: Mapped[Annotated[str, Field(max_length=200)]]
    action: Mapped[AuditRecordAction]
    occurred_at: Mapped[datetime]
    event_id: Mapped[Annotated[str, Field(max_length=100)]]
    sequence: Mapped[int] = default(0)
    module_slug: Mapped[Short] = default(None)
    actor_user_id: Mapped[Annotated[UUID | None, Ref("identity.UserAccount")]] = default(None)
    entity_type: Mapped[Short] = default(None)
    entity_reference: Mapped[Short] = default(None)
    change_summary: Mapped[Annotated[str | None, Field(max_length=1000)]] = default(None)
    request_id: Mapped[Short] = default(None)
    occurrences: Mapped[Annotated[int, Field(ge=1)]] = default(1)
    origin_id: Mapped[Annotated[UUID | None, Ref("AuditOrigin", reverse="")]] = default(None)
    origin_hash: Mapped[Short] = default(None)
    previous_hash: Mapped[str] = default(GENESIS)
    chain_hash: Mapped[str] = default("")


class AuditSeal(Entity):
    """A stretch of the chain that is closed, with a root over it and a link to the seal before (AUD-2)."""

    __append_only__ = True
    __unique__ = (("last_sequence",),)

    sealed_from: Mapped[datetime]
    sealed_to: Mapped[datetime]
    record_count: Mapped[int]
    last_sequence: Mapped[int]
    root_hash: Mapped[str]
    previous_seal_hash: Mapped[str] = default(GENESIS)

    def sealed(self) -> AuditSealed:
        """Return the fact."""
        return AuditSealed.of(self)


async def append(tx: Transaction, record: AuditRecord, address: str | None = None, agent: str | None = None) -> None:
    """Put a record at the end of the tenant's chain; one whose event is there already is left out (AUD-3).

    Records of one tenant are chained one after the other, by a lock that ends with the transaction.
    """
    await tx.session.execute(_LOCK, {"tenant": str(tx.tenant_id)})
    if await tx.first_where(AuditRecord, AuditRecord.event_id == record.event_id):
        return
    last = await _last(tx)
    if address or agent:
        origin = await _origin(tx, record.actor_user_id, address, agent)
        record.origin_id, record.origin_hash = origin.id, origin.hash
    tx.stamp(record)
    record.sequence = last.sequence + 1 if last else 1
    record.previous_hash = last.chain_hash if last else GENESIS
    record.chain_hash = hash_of(record.previous_hash, record)
    tx.session.add(record)


async def seal(tx: Transaction) -> None:
    """Seal what was recorded since the last seal, 10,000 records at most, and publish the fact.

    A record that does not follow on the one before is told instead, and nothing is sealed.
    """
    await tx.session.execute(_LOCK, {"tenant": str(tx.tenant_id)})
    before = await tx.find(select(AuditSeal).order_by(AuditSeal.last_sequence.desc()).limit(1))
    done = before.last_sequence if before else 0
    records = await records_after(tx, done, MOST_SEALED)
    if not records:
        return
    if broken := await break_in(tx, records, done):
        tx.publish(
            AuditTamperDetected(
                first_bad_record_id=broken.record.id,
                expected_hash=broken.expected,
                found_hash=broken.found,
                detected_at=tx.now(),
            )
        )
        return
    row = AuditSeal(
        sealed_from=records[0].occurred_at,
        sealed_to=records[-1].occurred_at,
        record_count=len(records),
        last_sequence=records[-1].sequence,
        root_hash=root_of(record.chain_hash for record in records),
        previous_seal_hash=before.root_hash if before else GENESIS,
    )
    tx.publish(tx.add(row).sealed())


async def records_after(tx: Transaction, sequence: int, most: int) -> Sequence[AuditRecord]:
    """Return up to `most` records that follow on the record with number `sequence`."""
    statement = select(AuditRecord).where(AuditRecord.sequence > sequence).order_by(AuditRecord.sequence).limit(most)
    return await tx.all(statement)


async def break_in(tx: Transaction, records: Sequence[AuditRecord], after: int) -> Any:
    """Return the first Break in records that begin behind number `after`, None where the chain is whole."""
    before = await tx.first_where(AuditRecord, AuditRecord.sequence == after) if after else None
    return first_break(records, previous=before.chain_hash if before else GENESIS, sequence=after)


async def _last(tx: Transaction) -> AuditRecord | None:
    return await tx.find(select(AuditRecord).order_by(AuditRecord.sequence.desc()).limit(1))


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
