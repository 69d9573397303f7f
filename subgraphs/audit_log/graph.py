"""What the audit log shows: records by person, module and time, seals, whether the chain holds, and what is kept for how long."""

from datetime import UTC, datetime, time
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import func, select

from shared.commands.command import command
from shared.database.transaction import Transaction
from shared.graph.entity import batched, card, entity, extend, query
from shared.graph.rows import related
from shared.values import Part
from subgraphs.audit_log import exports, models, retention, sealing
from subgraphs.audit_log.exports import AuditExportPage
from subgraphs.audit_log.models import AuditExportFormat, AuditRecordAction, AuditSelection
from subgraphs.audit_log.writing import end_of_chain, newest_purge, place_at, records_after

_READ = "audit_log.audit_record.read"
_EXPORT = "audit_log.audit_record.export"
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
    """A stretch of the chain that is closed. Its records may be purged; the seal is kept."""

    @batched()
    @staticmethod
    async def purged_at(tx: Transaction, ids: list[UUID]) -> dict[UUID, datetime]:
        """When the records of this stretch were purged; null as long as they are there."""
        seal, gone = models.AuditSeal, models.AuditPurge
        first = select(seal.id, func.min(gone.created_at)).join(gone, gone.last_sequence >= seal.last_sequence)
        rows = await tx.session.execute(first.where(seal.id.in_(ids)).group_by(seal.id))
        return {row[0]: row[1] for row in rows}


@entity(models.AuditPurge, sort=("last_sequence", "purged_to"))
class AuditPurge:
    """Sealed stretches of the chain whose records are gone, by a retention rule."""


@entity(models.AuditCheck, filters=("checked_at",), sort=("checked_at",))
class AuditCheck:
    """What a nightly check of the whole chain found."""


@entity(models.AuditTamper, filters=("acknowledged_at", "detected_at"), sort=("detected_at",))
class AuditTamper:
    """A place where the log is not what was written; nothing is sealed or purged until it is acknowledged."""


@entity(models.RetentionRule, filters=("module_slug", "legal_hold", "active"), sort=("created_at", "name"))
class RetentionRule:
    """How long records are kept, of one module or of all (null: for ever); or a legal hold, under which all are."""


@entity(models.AuditExport, filters=("status", "requested_by_id"), sort=("created_at",))
class AuditExport:
    """Records that somebody takes out; `auditExportPage` reads them, for 24 hours."""


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
    end = await end_of_chain(tx)
    records = await records_after(tx, end.sequence - max(0, min(last, _MOST)), _MOST)
    place = await place_at(tx, records[0].sequence - 1) if records else end
    fault = next((fault for record in records if (fault := place.step(record))), None)
    return AuditVerification(
        is_whole=fault is None,
        checked=len(records),
        first_bad_record_id=fault.row_id if fault else None,
        head_sequence=end.sequence,
        head_hash=end.hash if end.sequence else None,
        sealed_to=await _sealed_to(tx),
    )


class AuditVerificationStatus(Part):
    """How the log stands: the last check of the whole chain, until when that and the seals reach, and what waits."""

    is_whole: bool
    verified_at: datetime | None
    verified_to: datetime | None
    fault: str | None
    sealed_to: datetime | None
    purged_to: datetime | None
    open_tampers: int


@query(_READ)
async def verification_status(tx: Transaction) -> AuditVerificationStatus:
    """Tell what the nightly check found last, and whether a tampering waits to be acknowledged."""
    check, waiting, gone = await _last_check(tx), await _open_tampers(tx), await newest_purge(tx)
    return AuditVerificationStatus(
        is_whole=not waiting and (check is None or check.fault is None),
        verified_at=check.checked_at if check else None,
        verified_to=check.sealed_to if check else None,
        fault=check.fault if check else None,
        sealed_to=await _sealed_to(tx),
        purged_to=gone.purged_to if gone else None,
        open_tampers=waiting,
    )


class AuditDashboard(Part):
    """The log at a glance."""

    sensitive_today: int
    sealed_to: datetime | None
    verified_to: datetime | None
    open_tampers: int


@card(_READ)
async def audit_log_card(tx: Transaction) -> AuditDashboard:
    """How many sensitive things were done or refused today, until when the chain is sealed and verified, and what waits."""
    begin = datetime.combine(tx.now().date(), time(), UTC)
    today = (models.AuditRecord.occurred_at >= begin, models.AuditRecord.action.in_(_SENSITIVE))
    count = await tx.session.scalar(select(func.count(models.AuditRecord.id)).where(*today))
    check = await _last_check(tx)
    return AuditDashboard(
        sensitive_today=count or 0,
        sealed_to=await _sealed_to(tx),
        verified_to=check.sealed_to if check else None,
        open_tampers=await _open_tampers(tx),
    )


@query(_EXPORT)
async def audit_export_page(tx: Transaction, audit_export_id: UUID, after: int = 0) -> AuditExportPage | None:
    """Return up to 500 records of an export, as text; while it `hasMore`, go on with `nextAfter`.

    Null unless the export is yours, ready and not expired.
    """
    export = await tx.first_where(models.AuditExport, models.AuditExport.id == audit_export_id)
    if export is None or not export.is_readable(tx.principal.user, tx.now()):
        return None
    return await exports.page_of(tx, export, after)


@command(_EXPORT)
async def request_audit_export(
    tx: Transaction,
    filter: AuditSelection,
    format: AuditExportFormat = AuditExportFormat.CSV,
) -> models.AuditExport:
    """Ask for the records that a filter finds, 100,000 at most, as a table or as JSON lines; `auditExportPage` reads them.

    It is ready within a minute, can be read by you alone, and for 24 hours. That you asked is recorded.
    """
    return await exports.request(tx, filter, format)


@command("audit_log.retention_rule.write")
async def set_retention_rule(
    tx: Transaction,
    name: str,
    keep_months: int | None = None,
    module_slug: str | None = None,
    active: bool = True,
) -> models.RetentionRule:
    """Set for how many months records are kept: of a module, or of all that have no rule of their own. Null is for ever.

    Records go by the hour in which they were sealed, once the time of each of them is over. Without a rule none go.
    """
    return await retention.set_rule(tx, name, keep_months, module_slug, active=active)


@command("audit_log.retention_rule.hold")
async def place_audit_hold(tx: Transaction, reason: str) -> models.RetentionRule:
    """Keep all records, whatever the rules say, until the hold is released."""
    return await retention.place_hold(tx, reason)


@command("audit_log.retention_rule.hold")
async def release_audit_hold(tx: Transaction, retention_rule_id: UUID) -> models.RetentionRule:
    """End a hold."""
    hold = await tx.get(models.RetentionRule, retention_rule_id)
    await retention.release_hold(tx, hold)
    return hold


@command("audit_log.audit_tamper.acknowledge")
async def acknowledge_audit_tamper(
    tx: Transaction, audit_tamper_id: UUID, explanation: Annotated[str, Field(min_length=1, max_length=1000)]
) -> models.AuditTamper:
    """Say what you found out about a place where the log is not what was written: sealing goes on behind it."""
    tamper = await tx.get(models.AuditTamper, audit_tamper_id)
    await sealing.acknowledge(tx, tamper, explanation)
    return tamper


async def _sealed_to(tx: Transaction) -> datetime | None:
    return await tx.session.scalar(select(func.max(models.AuditSeal.sealed_to)))


async def _last_check(tx: Transaction) -> models.AuditCheck | None:
    return await tx.find(select(models.AuditCheck).order_by(models.AuditCheck.checked_at.desc()).limit(1))


async def _open_tampers(tx: Transaction) -> int:
    waiting = select(func.count(models.AuditTamper.id)).where(models.AuditTamper.acknowledged_at.is_(None))
    return await tx.session.scalar(waiting) or 0
