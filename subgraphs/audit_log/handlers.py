"""Every event of the platform becomes a record; so do the gateway's refusals and sign-ins. And what is done by the clock."""

from collections.abc import Mapping
from typing import Any

from shared.database.transaction import Transaction
from shared.events.handler import on
from shared.events.schedule import cron, every
from shared.wire.envelope import Envelope
from subgraphs.audit_log import exports, retention, sealing, verification
from subgraphs.audit_log.models import AuditRecord, AuditRecordAction
from subgraphs.audit_log.writing import append

_OWN = "/audit_log"
_KINDS = {
    AuditRecordAction.CREATE: "created opened registered added drafted hired invited defined issued requested",
    AuditRecordAction.UPDATE: "updated changed renamed transferred revised moved assigned merged",
    AuditRecordAction.DELETE: "deleted removed archived discarded",
    AuditRecordAction.READ: "read",
    AuditRecordAction.EXPORT: "exported",
}
_ACTIONS = {verb: action for action, verbs in _KINDS.items() for verb in verbs.split()}
# What of a payload may be kept: names of things and states, never a person's words, addresses or amounts (AUD-4).
_ALLOWED = {"number", "status", "state", "kind", "roleName", "scopeRule", "prefix", "entity", "fields", "rowCount"}
_SUMMARY = 1000


@on(">")
async def record(tx: Transaction, envelope: Envelope) -> None:
    """Record a fact of any module, but of the log itself."""
    if envelope.source == _OWN:
        return
    action = _ACTIONS.get(envelope.type.rpartition(".")[2], AuditRecordAction.EXECUTE)
    await append(tx, _record(envelope, action, _summary(envelope.data)), envelope.origin)


@on("privacy.access.ready")
async def record_export(tx: Transaction, envelope: Envelope) -> None:
    """Record that a person's data was handed over."""
    await append(tx, _record(envelope, AuditRecordAction.EXPORT, _summary(envelope.data)), envelope.origin)


@on("gateway.request.refused")
async def record_refusal(tx: Transaction, envelope: Envelope) -> None:
    """Record what the gateway refused; like refusals of a minute come as one (AUD-3)."""
    told = envelope.data
    row = _record(envelope, AuditRecordAction.DENIED, f"{told.get('code')} {told.get('target')}"[:_SUMMARY])
    row.entity_type, row.entity_reference = "Request", str(told.get("code"))
    row.occurrences = max(1, int(told.get("count", 1)))
    await append(tx, row, envelope.origin, told.get("userAgent"))


@on("gateway.session.begun")
async def record_sign_in(tx: Transaction, envelope: Envelope) -> None:
    """Record that somebody signed in."""
    told = envelope.data
    row = _record(envelope, AuditRecordAction.LOGIN, str(told.get("target")))
    row.entity_type, row.entity_reference = "UserAccount", str(envelope.actor_id)
    await append(tx, row, envelope.origin, told.get("userAgent"))


@on("session.issued")
async def record_session(tx: Transaction, envelope: Envelope) -> None:
    """Record that a session was begun at a tenant's provider, or taken by whoever runs the machine."""
    row = _record(envelope, AuditRecordAction.LOGIN, str(envelope.data.get("issuedTo")))
    row.entity_type, row.entity_reference = "UserAccount", str(envelope.data.get("userId"))
    await append(tx, row, envelope.origin)


@every("1h", everywhere=True)
async def seal_window(tx: Transaction) -> None:
    """Seal the last hour (AUD-2)."""
    await sealing.seal(tx)


@cron("40 3 * * *", everywhere=True)
async def check_chain(tx: Transaction) -> None:
    """Check the whole chain each night (AUD-2)."""
    await verification.check(tx)


@every("1h", everywhere=True, role="audit_log_purge")
async def purge_windows(tx: Transaction) -> None:
    """Take out what need not be kept any longer, as the role that alone may (AUD-1, AUD-5)."""
    await retention.purge(tx)


@every("1m")
async def prepare_exports(tx: Transaction) -> None:
    """Make exports ready, and end those of yesterday (AUD-6)."""
    await exports.expire(tx)
    await exports.prepare(tx)


def _record(envelope: Envelope, action: AuditRecordAction, summary: str | None) -> AuditRecord:
    return AuditRecord(
        subject=envelope.type,
        action=action,
        module_slug=envelope.source.removeprefix("/"),
        actor_user_id=envelope.actor_id,
        entity_type=envelope.aggregate_type,
        entity_reference=str(envelope.subject),
        occurred_at=envelope.time,
        event_id=str(envelope.id),
        change_summary=summary or None,
        request_id=str(envelope.correlation_id),
    )


def _summary(data: Mapping[str, Any]) -> str:
    """Return what of a payload may be kept, as `name=value` pairs: ids, numbers, states (AUD-4)."""
    kept = (
        f"{name}={_short(value)}"
        for name, value in data.items()
        if value is not None and (name in _ALLOWED or name.endswith(("Id", "Ids", "No")))
    )
    return " ".join(kept)[:_SUMMARY]


def _short(value: Any) -> str:
    return ",".join(map(str, value[:5])) if isinstance(value, list) else str(value)
