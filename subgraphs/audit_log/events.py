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
    """A record is not what it was when it was chained; nothing is sealed or purged until somebody acknowledges it."""

    first_bad_record_id: UUID
    expected_hash: str
    found_hash: str
    detected_at: datetime


class AuditExportReady(Event, type="audit.export.ready", aggregate="AuditExport"):
    """An export can be read by whoever asked for it."""

    audit_export_id: UUID
    requested_by_id: UUID | None
    row_count: int
    expires_at: datetime


class AuditRetentionPurged(Event, type="audit.retention.purged", aggregate="AuditPurge"):
    """Old records are gone, their seals are kept. `module_slug` is null: a window holds records of all modules."""

    audit_purge_id: UUID
    module_slug: str | None
    purged_to: datetime
    record_count: int
