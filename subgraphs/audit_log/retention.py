"""How long records are kept, and the purge: whole sealed windows, from the oldest on, never under a hold (AUD-5)."""

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, select

from shared.database.transaction import Transaction
from shared.errors import NotYet, Refusal
from subgraphs.audit_log.chain import Place
from subgraphs.audit_log.events import AuditRetentionPurged
from subgraphs.audit_log.models import (
    AuditOrigin,
    AuditPurge,
    AuditRecord,
    AuditRecordAction,
    AuditSeal,
    RetentionRule,
)
from subgraphs.audit_log.sealing import Known, acknowledged, is_stopped, report
from subgraphs.audit_log.verification import window_faults
from subgraphs.audit_log.writing import lock_chain, newest_purge, note, place_at

# How many months logs are kept at least, by the tenant's region. China: Cybersecurity Law of 2017, article 21 (3); India:
# CERT-In's directions of 28 April 2022 (180 days); Vietnam: decree 53/2022. Where we know of no law six months too: that is
# how late intrusions are found.
_LAW: Mapping[str, int] = {"cn": 6, "in": 6, "vn": 12}
_OTHERWISE = 6
_MOST_RECORDS, _MOST_WINDOWS = 50_000, 500  # of one purge; the next one goes on an hour later


class BelowLegalMinimum(Refusal):
    """A rule would let records go before the law does."""

    code = "BELOW_LEGAL_MINIMUM"
    field = ("keepMonths",)

    def __init__(self, minimum: int) -> None:
        """Name the least number of months."""
        super().__init__("Records must be kept for {minimum} months at least: choose a longer time.", minimum=minimum)


@dataclass(frozen=True, slots=True)
class Keeping:
    """For how many months records are kept: the law's minimum, and the rules by module (None: of all others)."""

    minimum: int
    months: Mapping[str | None, int | None]

    def of(self, module_slug: str | None) -> int | None:
        """Return the months of one module's records, None for ever: so it is where no rule says otherwise."""
        months = self.months.get(module_slug if module_slug in self.months else None)
        return None if months is None else max(months, self.minimum)


async def legal_minimum(tx: Transaction) -> int:
    """Return how many months the law of the tenant's region wants records kept."""
    try:
        region = (await tx.tenant()).region
    except NotYet:  # what no tenant is known of
        region = None
    return _LAW.get((region or "").lower(), _OTHERWISE)


async def set_rule(
    tx: Transaction, name: str, keep_months: int | None, module_slug: str | None, *, active: bool
) -> RetentionRule:
    """Set how long a module's records are kept, or those of all modules without a rule. Raises BelowLegalMinimum."""
    minimum = await legal_minimum(tx)
    if keep_months is not None and keep_months < minimum:
        raise BelowLegalMinimum(minimum)
    await lock_chain(tx)
    same = (RetentionRule.legal_hold.is_(False), RetentionRule.module_slug.is_not_distinct_from(module_slug))
    known = await tx.first_where(RetentionRule, *same)
    rule = await tx.get(RetentionRule, known.id) if known else tx.add(RetentionRule(name=name, module_slug=module_slug))
    rule.name, rule.keep_months, rule.active = name, keep_months, active
    summary = f"moduleSlug={module_slug or 'all'} keepMonths={keep_months or 'forever'} active={active}"
    await note(tx, "audit.retention.set", AuditRecordAction.UPDATE, rule, summary)
    return rule


async def place_hold(tx: Transaction, reason: str) -> RetentionRule:
    """Let nothing be purged until the hold is released."""
    await lock_chain(tx)
    hold = tx.add(RetentionRule(name=reason, legal_hold=True))
    await note(tx, "audit.hold.placed", AuditRecordAction.EXECUTE, hold)
    return hold


async def release_hold(tx: Transaction, hold: RetentionRule) -> None:
    """End a hold. Raises IllegalState for what is none, or has ended."""
    hold.release()
    await note(tx, "audit.hold.released", AuditRecordAction.EXECUTE, hold)


async def purge(tx: Transaction) -> AuditPurge | None:
    """Take out the records of the windows whose time is over, keep their seals, record it, and publish the fact.

    A window goes when the longest of its modules' rules and the law's minimum is over since it was sealed. Nothing goes
    under a hold, nor while a fault of the chain waits for somebody, nor from a window that is not what was sealed. Only the
    role mewayz_audit_log_purge may (AUD-1), and the database lets it delete nothing unsealed and nothing under a hold.
    """
    keeping = await _keeping(tx)
    if await _must_stay(tx) or not (windows := await _windows(tx, keeping)):
        return None
    await lock_chain(tx)
    if await _must_stay(tx) or await _keeping(tx) != keeping:
        return None  # somebody was quicker
    last = windows[-1]
    behind = await place_at(tx, last.last_sequence)
    old = delete(AuditRecord).where(AuditRecord.sequence <= last.last_sequence)
    await tx.session.execute(old.execution_options(synchronize_session=False))
    is_used = exists().where(AuditRecord.origin_id == AuditOrigin.id, AuditRecord.tenant_id == AuditOrigin.tenant_id)
    await tx.session.execute(delete(AuditOrigin).where(~is_used).execution_options(synchronize_session=False))
    row = AuditPurge(
        purged_to=last.sealed_to,
        last_sequence=last.last_sequence,
        last_hash=behind.hash,
        record_count=sum(window.record_count for window in windows),
        window_count=len(windows),
    )
    tx.publish(tx.add(row).purged())
    await note(tx, AuditRetentionPurged.type, AuditRecordAction.DELETE, row, row.summary)
    return row


async def _keeping(tx: Transaction) -> Keeping:
    active = (RetentionRule.active, RetentionRule.legal_hold.is_(False))
    rules = await tx.session.execute(select(RetentionRule.module_slug, RetentionRule.keep_months).where(*active))
    months = {rule.module_slug: rule.keep_months for rule in rules}
    minimum = await legal_minimum(tx)
    if None not in months and await _was_closed(tx, months_before(tx.now(), minimum)):
        months[None] = minimum
    return Keeping(minimum, months)


async def _was_closed(tx: Transaction, before: datetime) -> bool:
    """Tell whether the tenant was closed before an instant: from then on the law's time runs, if no rule says otherwise."""
    try:
        state = (await tx.tenant()).state
    except NotYet:
        return False
    closing = (AuditRecord.subject == "tenant.closed", AuditRecord.created_at < before)
    return state == "CLOSED" and await tx.first_where(AuditRecord, *closing) is not None


async def _must_stay(tx: Transaction) -> bool:
    hold = await tx.first_where(RetentionRule, RetentionRule.active, RetentionRule.legal_hold)
    return hold is not None or await is_stopped(tx)


async def _windows(tx: Transaction, keeping: Keeping) -> list[AuditSeal]:
    """Return the windows that may go now, from the oldest on; the first that may not ends it."""
    if all(months is None for months in keeping.months.values()):
        return []
    before = await newest_purge(tx)
    place = Place(before.last_sequence, before.last_hash) if before else Place()
    known = await acknowledged(tx)
    old = (AuditSeal.last_sequence > place.sequence, AuditSeal.created_at < months_before(tx.now(), keeping.minimum))
    windows: list[AuditSeal] = []
    count = 0
    for seal in await tx.all(select(AuditSeal).where(*old).order_by(AuditSeal.last_sequence).limit(_MOST_WINDOWS)):
        count += seal.record_count
        is_over = await _is_over(tx, keeping, place.sequence, seal)
        if not is_over or (windows and count > _MOST_RECORDS) or not await _is_whole(tx, place, seal, known):
            break
        windows.append(seal)
    return windows


async def _is_over(tx: Transaction, keeping: Keeping, after: int, seal: AuditSeal) -> bool:
    inside = (AuditRecord.sequence > after, AuditRecord.sequence <= seal.last_sequence)
    slugs = await tx.session.scalars(select(AuditRecord.module_slug).where(*inside).distinct())
    months = [keeping.of(slug) for slug in slugs]
    return all(one is not None and seal.created_at < months_before(tx.now(), one) for one in months)


async def _is_whole(tx: Transaction, place: Place, seal: AuditSeal, known: Known) -> bool:
    """Tell whether a window is what was sealed, move on to its end, and tell of what is wrong: proof is not thrown away."""
    async for fault in window_faults(tx, place, seal):
        if fault.key not in known:
            await report(tx, fault)
            return False
    return True


def months_before(at: datetime, months: int) -> datetime:
    """Return the instant `months` earlier, at the end of a month that has fewer days."""
    year, month = divmod(at.year * 12 + at.month - 1 - months, 12)
    return at.replace(year=year, month=month + 1, day=min(at.day, monthrange(year, month + 1)[1]))
