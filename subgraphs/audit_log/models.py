"""Records, where they came from, the seals over them, and what is kept for how long (tier1.md, 16)."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import IllegalState
from shared.values import Part, Personal, Ref
from subgraphs.audit_log.chain import GENESIS, origin_hash
from subgraphs.audit_log.events import AuditExportReady, AuditRetentionPurged, AuditSealed, AuditTamperDetected

EXPORT_LIVES = timedelta(hours=24)  # AUD-6

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


class AuditPurge(Entity):
    """Sealed windows whose records are gone: up to which number, and the hash on which the rest of the chain follows."""

    __append_only__ = True
    __unique__ = (("last_sequence",),)

    purged_to: Mapped[datetime]
    last_sequence: Mapped[int]
    last_hash: Mapped[str]
    record_count: Mapped[int]
    window_count: Mapped[int]

    @property
    def summary(self) -> str:
        """What its own record says of it, so that it can't be forged without the chain."""
        return f"lastSequence={self.last_sequence} lastHash={self.last_hash} recordCount={self.record_count}"

    def purged(self) -> AuditRetentionPurged:
        """Return the fact."""
        return AuditRetentionPurged.of(self, module_slug=None)


class AuditCheck(Entity):
    """What a check of the whole chain found: one a day."""

    __append_only__ = True
    __indexes__ = (("checked_at",),)

    checked_at: Mapped[datetime]
    record_count: Mapped[int]
    seal_count: Mapped[int]
    head_hash: Mapped[str]
    sealed_to: Mapped[datetime | None] = default(None)
    fault: Mapped[Annotated[str | None, Field(max_length=200)]] = default(None)


class AuditTamper(Entity):
    """A place where the log is not what was written; until it is acknowledged nothing is sealed or purged (AUD-2)."""

    __unique__ = (("first_bad_record_id", "expected_hash", "found_hash"),)

    what: Mapped[Annotated[str, Field(max_length=200)]]
    first_bad_record_id: Mapped[UUID]  # no reference: it may be a seal, and what it names may be gone
    expected_hash: Mapped[str]
    found_hash: Mapped[str]
    detected_at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None] = default(None)
    acknowledged_by_id: Mapped[Annotated[UUID | None, Ref("identity.UserAccount")]] = default(None)
    explanation: Mapped[Annotated[str | None, Field(min_length=1, max_length=1000)]] = default(None)

    def detected(self) -> AuditTamperDetected:
        """Return the fact."""
        return AuditTamperDetected.of(self, first_bad_record_id=self.first_bad_record_id)

    def acknowledge(self, by: UUID | None, at: datetime, explanation: str) -> None:
        """Note who has looked at it, and what they found. Raises IllegalState where somebody has."""
        if self.acknowledged_at is not None:
            raise IllegalState("This was acknowledged already.")
        self.acknowledged_at, self.acknowledged_by_id, self.explanation = at, by, explanation


class RetentionRule(Entity):
    """How long records are kept, of one module or of all; or a legal hold: while one stands, nothing is purged (AUD-5)."""

    __indexes__ = (("active",),)

    name: Mapped[Annotated[str, Field(min_length=1, max_length=500)]]
    module_slug: Mapped[Annotated[str | None, Field(min_length=1, max_length=60)]] = default(None)
    keep_months: Mapped[Annotated[int | None, Field(ge=1, le=1200)]] = default(None)  # null: for ever
    legal_hold: Mapped[bool] = default(False)
    active: Mapped[bool] = default(True)

    def release(self) -> None:
        """End a hold. Raises IllegalState for what is none, or has ended."""
        if not (self.legal_hold and self.active):
            raise IllegalState("This is no hold that stands.")
        self.active = False


class AuditExportStatus(StrEnum):
    """How far an export has come."""

    QUEUED = "QUEUED"
    READY = "READY"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"


class AuditExportFormat(StrEnum):
    """How an export's records are written: a table, or one JSON object a line."""

    CSV = "CSV"
    JSON_LINES = "JSON_LINES"


class AuditSelection(Part):
    """Which records an export holds; what is not said is not asked."""

    actor_user_id: UUID | None = None
    module_slug: Annotated[str | None, Field(max_length=200)] = None
    action: AuditRecordAction | None = None
    subject: Annotated[str | None, Field(max_length=200)] = None
    entity_type: Annotated[str | None, Field(max_length=200)] = None
    entity_reference: Annotated[str | None, Field(max_length=200)] = None
    occurred_from: datetime | None = None
    occurred_before: datetime | None = None


class AuditExport(Entity):
    """Records that somebody asked to take out. It is no file: the log itself is read, up to the number it had then (AUD-6)."""

    __owner__ = "requested_by_id"
    __unique__ = (("reference",),)
    __indexes__ = (("status",),)

    reference: Mapped[Annotated[str, Field(min_length=1, max_length=60)]]
    filter: Mapped[AuditSelection]
    format: Mapped[AuditExportFormat]
    last_sequence: Mapped[int]
    row_count: Mapped[int]
    has_origins: Mapped[bool]
    requested_by_id: Mapped[Annotated[UUID | None, Ref("identity.UserAccount")]] = default(None)
    status: Mapped[AuditExportStatus] = default(AuditExportStatus.QUEUED)
    content_hash: Mapped[Short] = default(None)
    expires_at: Mapped[datetime | None] = default(None)

    def finish(self, content_hash: str, at: datetime) -> AuditExportReady:
        """Let it be read for 24 hours, and return the fact. `content_hash` is SHA-256 of all that it holds."""
        self.status, self.content_hash, self.expires_at = AuditExportStatus.READY, content_hash, at + EXPORT_LIVES
        return AuditExportReady.of(self)

    def is_readable(self, by: UUID | None, at: datetime) -> bool:
        """Tell whether a person may read it now: it is theirs, ready, and not a day old."""
        is_live = self.status is AuditExportStatus.READY and self.expires_at is not None and at < self.expires_at
        return is_live and by is not None and by == self.requested_by_id
