"""What the audit log shows: records by person, module and time, seals, and whether the chain holds."""

from datetime import UTC, datetime, time
from uuid import UUID

from sqlalchemy import func, select

from shared.database.transaction import Transaction
from shared.graph.entity import card, entity, extend, query
from shared.graph.rows import related
from shared.values import Part
from subgraphs.audit_log import models
from subgraphs.audit_log.models import AuditRecordAction

_READ = "audit_log.audit_record.read"
_SENSITIVE = (AuditRecordAction.READ, AuditRecordAction.EXPORT, AuditRecordAction.DENIED)
_MOST = 10_000


@entity(models.AuditOrigin, hidden=("salt",), roots=False)
class AuditOrigin:
    """Where somebody's requests came from; empty once the person was erased."""


@entity(
    models.AuditRecord,
    filters=("actor_user_id", "module_slug", "action", "subject", "entity_type", "entity_reference", "occurred_at"),
    sort=("occurred_at", "sequence"),
)
class AuditRecord:
    """One thing that was done, or refused."""


@entity(models.AuditSeal, filters=("sealed_to",), sort=("sealed_to", "last_sequence"))
class AuditSeal:
    """A stretch of the chain that is closed."""


@extend("identity.UserAccount")
class UserAccount:
    """What somebody has done."""

    audit_trail = related(models.AuditRecord, by="actor_user_id", order_by="-occurred_at")


class AuditVerification(Part):
    """Whether the newest records of the chain follow on each other."""

    is_whole: bool
    checked: int
    first_bad_record_id: UUID | None
    head_sequence: int
    head_hash: str | None
    sealed_to: datetime | None


@query(_READ)
async def audit_verification(tx: Transaction, last: int = 1000) -> AuditVerification:
    """Check the newest records, 10,000 at most; `mewayz audit verify` checks all."""
    head = await tx.find(select(models.AuditRecord).order_by(models.AuditRecord.sequence.desc()).limit(1))
    begin = max(0, (head.sequence if head else 0) - max(0, min(last, _MOST)))
    records = await models.records_after(tx, begin, _MOST)
    broken = await models.break_in(tx, records, begin)
    sealed = await tx.find(select(models.AuditSeal).order_by(models.AuditSeal.last_sequence.desc()).limit(1))
    return AuditVerification(
        is_whole=broken is None,
        checked=len(records),
        first_bad_record_id=broken.record.id if broken else None,
        head_sequence=head.sequence if head else 0,
        head_hash=head.chain_hash if head else None,
        sealed_to=sealed.sealed_to if sealed else None,
    )


class AuditDashboard(Part):
    """The log at a glance."""

    sensitive_today: int
    sealed_to: datetime | None


@card(_READ)
async def audit_log_card(tx: Transaction) -> AuditDashboard:
    """How many sensitive things were done or refused today, and until when the chain is sealed."""
    begin = datetime.combine(tx.now().date(), time(), UTC)
    today = (models.AuditRecord.occurred_at >= begin, models.AuditRecord.action.in_(_SENSITIVE))
    count = await tx.session.scalar(select(func.count(models.AuditRecord.id)).where(*today))
    sealed = await tx.session.scalar(select(func.max(models.AuditSeal.sealed_to)))
    return AuditDashboard(sensitive_today=count or 0, sealed_to=sealed)
