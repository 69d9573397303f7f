"""The facts the audit log publishes (tier1.md, 16). What it hears it reads as envelopes: of every module."""

from datetime import datetime
from uuid import UUID

from shared.wire.envelope import Event


class AuditSealed(Event, type="audit.sealed", aggregate="AuditSeal"):
    """A stretch of the chain is closed: whoever keeps this fact can tell whether it was changed or cut later."""

    audit_seal_id: UUID
    sealed_from: datetime
    sealed_to: datetime
    record_count: int
    root_hash: str


class AuditTamperDetected(Event, type="audit.tamper.detected", aggregate="AuditRecord", key="first_bad_record_id"):
    """A record is not what it was when it was chained; sealing stops until the chain is whole again."""

    first_bad_record_id: UUID
    expected_hash: str
    found_hash: str
    detected_at: datetime
