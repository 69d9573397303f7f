"""Exports: records taken out as CSV or JSON lines, read page by page from the log itself (AUD-6).

Nothing is copied: records never change, so an export is a filter and the number that the log ended with. Its hash tells
later whether what was read is what the log held.
"""

import csv
import hashlib
import io
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

import orjson
from sqlalchemy import ColumnElement, and_, func, select, update

from shared.database.transaction import Transaction
from shared.errors import Refusal
from shared.values import Part, outside_name
from subgraphs.audit_log.chain import CHAINED
from subgraphs.audit_log.models import (
    AuditExport,
    AuditExportFormat,
    AuditExportStatus,
    AuditOrigin,
    AuditRecord,
    AuditRecordAction,
    AuditSelection,
)
from subgraphs.audit_log.writing import end_of_chain, lock_chain, note

MOST_ROWS = 100_000
PAGE_ROWS = 500
_AT_ONCE = 3
_ORIGINS = "audit_log.audit_origin.read"
_RECORD = [getattr(AuditRecord, name) for name in (*CHAINED, "previous_hash", "chain_hash")]
SNAKE = {outside_name(name): name for name in (*(column.key for column in _RECORD), "address", "user_agent")}
_EQUAL = ("actor_user_id", "module_slug", "action", "subject", "entity_type", "entity_reference")
_FORMULA = tuple("=+-@＝＋－＠")  # what a spreadsheet takes for a formula (OWASP, "CSV Injection")


class RangeTooLarge(Refusal):
    """More records than one export holds."""

    code = "RANGE_TOO_LARGE"
    field = ("filter",)

    def __init__(self) -> None:
        """Name the limit."""
        super().__init__("An export holds {most} records at most: ask for a shorter time or for less.", most=MOST_ROWS)


class AuditExportPage(Part):
    """A part of what an export holds: all pages one behind the other are the whole, and have its hash."""

    text: str
    has_more: bool
    next_after: int


async def request(tx: Transaction, filter: AuditSelection, form: AuditExportFormat) -> AuditExport:
    """Ask for an export, which is itself recorded. Raises RangeTooLarge."""
    until = (await end_of_chain(tx)).sequence
    few = select(AuditRecord.id).where(*_matching(tx, filter, until)).limit(MOST_ROWS + 1).subquery()
    count = await tx.session.scalar(select(func.count()).select_from(few)) or 0
    if count > MOST_ROWS:
        raise RangeTooLarge
    await lock_chain(tx)
    export = tx.add(
        AuditExport(
            reference=f"AX-{(await end_of_chain(tx)).sequence + 1}",  # the number of its own record
            filter=filter,
            format=form,
            last_sequence=until,
            row_count=count,
            has_origins=tx.principal.scope(_ORIGINS) is not None,
            requested_by_id=tx.principal.user,
        )
    )
    said = " ".join(f"{outside_name(name)}={value}" for name, value in filter if value is not None)
    summary = f"format={form.value} rowCount={count} lastSequence={until} {said}".strip()
    await note(tx, "audit.export.requested", AuditRecordAction.EXPORT, export, summary[:1000])
    return export


async def prepare(tx: Transaction) -> None:
    """Make what was asked for ready, three at a time; one whose records are not those that were counted has failed."""
    queued = select(AuditExport).where(AuditExport.status == AuditExportStatus.QUEUED)
    for export in await tx.all(queued.order_by(AuditExport.created_at).limit(_AT_ONCE)):
        digest, count = hashlib.sha256(), 0
        async for text, rows in _texts(tx, export):
            digest.update(text.encode())
            count += rows
        if count == export.row_count:
            tx.publish(export.finish(digest.hexdigest(), tx.now()))
        else:
            export.status = AuditExportStatus.FAILED


async def expire(tx: Transaction) -> None:
    """End the exports that are a day old."""
    is_over = (AuditExport.status == AuditExportStatus.READY, AuditExport.expires_at <= tx.now())
    await tx.session.execute(update(AuditExport).where(*is_over).values(status=AuditExportStatus.EXPIRED))


async def page_of(tx: Transaction, export: AuditExport, after: int) -> AuditExportPage:
    """Return what follows on record number `after`; the first page of a table begins with its head."""
    rows = await _rows(tx, export, after)
    return AuditExportPage(
        text=_written(export.format, rows, has_head=after == 0),
        has_more=len(rows) == PAGE_ROWS,
        next_after=rows[-1].sequence if rows else after,
    )


async def _texts(tx: Transaction, export: AuditExport) -> AsyncGenerator[tuple[str, int]]:
    """Yield all pages, and how many records each has."""
    after: int | None = 0
    while after is not None:
        rows = await _rows(tx, export, after)
        yield _written(export.format, rows, has_head=after == 0), len(rows)
        after = rows[-1].sequence if len(rows) == PAGE_ROWS else None


async def _rows(tx: Transaction, export: AuditExport, after: int) -> Sequence[Any]:
    """Return a page's records as the caller may see them; where requests came from only for who might read that then and now."""
    origins = tx.visible(AuditOrigin) if export.has_origins else [AuditOrigin.id.is_(None)]
    from_there = (AuditOrigin.id == AuditRecord.origin_id, *origins)
    statement = select(*_RECORD, AuditOrigin.address, AuditOrigin.user_agent).outerjoin(AuditOrigin, and_(*from_there))
    matching = (*_matching(tx, export.filter, export.last_sequence), AuditRecord.sequence > after)
    page = statement.where(*matching).order_by(AuditRecord.sequence).limit(PAGE_ROWS)
    return (await tx.session.execute(page)).all()


def _matching(tx: Transaction, filter: AuditSelection, until: int) -> list[ColumnElement[bool]]:
    wanted = {name: getattr(filter, name) for name in _EQUAL}
    found = [getattr(AuditRecord, name) == value for name, value in wanted.items() if value is not None]
    if filter.occurred_from is not None:
        found.append(AuditRecord.occurred_at >= filter.occurred_from)
    if filter.occurred_before is not None:
        found.append(AuditRecord.occurred_at < filter.occurred_before)
    return [AuditRecord.sequence <= until, *found, *tx.visible(AuditRecord)]


def _written(form: AuditExportFormat, rows: Sequence[Any], *, has_head: bool) -> str:
    objects = [dict(zip(SNAKE, map(_plain, row), strict=True)) for row in rows]
    if form is AuditExportFormat.JSON_LINES:
        return "".join(orjson.dumps(one).decode() + "\n" for one in objects)
    return _table(objects, has_head=has_head)


def _table(objects: Sequence[Mapping[str, Any]], *, has_head: bool) -> str:
    """Write a table (RFC 4180). No cell begins like a formula: spreadsheets would run what an attacker wrote."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_MINIMAL)
    if has_head:
        writer.writerow(SNAKE)
    for one in objects:
        writer.writerow([harmless(value) for value in one.values()])
    return out.getvalue()


def harmless(value: Any) -> Any:
    """Return a cell's value, behind a quotation mark where a spreadsheet would take it for a formula."""
    return f"'{value}" if isinstance(value, str) and value.lstrip().startswith(_FORMULA) else value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    return value if value is None or isinstance(value, int | str) else str(value)
