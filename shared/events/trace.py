"""The way of one event: written, sent, on the stream, and what became of it in each module that hears it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from nats.aio.client import Client

from shared.events.stream import StreamMessage, listeners, message_of
from shared.wire.envelope import Envelope

_WRITTEN = """
    select envelope::text, created_at, null::timestamptz as sent_at, null::bigint as stream_sequence
    from kit.outbox where event_id = $1
    union all
    select envelope::text, created_at, sent_at, stream_sequence from kit.outbox_sent where event_id = $1
"""
_HEARD = """
    select k.last_sequence, k.moved_at, p.attempts, p.error, p.parked_at, s.reason, s.skipped_at
    from (select $1::uuid as tenant_id, $2::text as key) wanted
    left join kit.inbox_key k using (tenant_id, key)
    left join kit.inbox_parked p on (p.tenant_id, p.key, p.sequence) = (wanted.tenant_id, wanted.key, $3)
    left join kit.inbox_skipped s on (s.tenant_id, s.key, s.sequence) = (wanted.tenant_id, wanted.key, $3)
"""


class Hearing(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an event in one module: APPLIED, PARKED, SKIPPED or WAITING, since when, and why."""

    module: str
    state: str
    at: str | None = None
    note: str | None = None


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """One event from its transaction to its effects. Times are RFC 3339."""

    module: str
    envelope: Envelope
    written_at: str
    sent_at: str | None
    stream: StreamMessage | None
    heard: list[Hearing]


async def trace(relay_urls: Mapping[str, str], client: Client, event_id: UUID) -> Trace | None:
    """Follow an event through all modules, read as their relay roles; None for an id that no module has written.

    Copies of sent events are kept for 31 days.
    """
    found = [(slug, row) for slug, url in relay_urls.items() if (row := await _row(url, _WRITTEN, event_id))]
    if not found:
        return None
    module, written = found[0]
    envelope = msgspec.json.decode(written["envelope"], type=Envelope)
    number = written["stream_sequence"]
    heard = [
        await _hearing(listener.module, relay_urls[listener.module], envelope)
        for listener in await listeners(client)
        if listener.hears(envelope.type) and listener.module in relay_urls
    ]
    return Trace(
        module=module,
        envelope=envelope,
        written_at=written["created_at"].isoformat(),
        sent_at=written["sent_at"].isoformat() if written["sent_at"] else None,
        stream=await message_of(client, number, event_id) if number else None,
        heard=heard,
    )


async def _hearing(module: str, url: str, envelope: Envelope) -> Hearing:
    row = await _row(url, _HEARD, envelope.tenant_id, envelope.key, envelope.sequence)
    assert row is not None
    if row["parked_at"]:
        note = f"{row['attempts']} tries: {row['error']}" if row["error"] else "behind an earlier event of its key"
        return Hearing(module=module, state="PARKED", at=row["parked_at"].isoformat(), note=note)
    if row["skipped_at"]:
        return Hearing(module=module, state="SKIPPED", at=row["skipped_at"].isoformat(), note=row["reason"])
    if row["last_sequence"] is None or row["last_sequence"] < envelope.sequence:
        return Hearing(module=module, state="WAITING")
    later = row["last_sequence"] - envelope.sequence
    note = f"at the latest: {later} later events of its key are applied too" if later else None
    return Hearing(module=module, state="APPLIED", at=row["moved_at"].isoformat(), note=note)


async def _row(url: str, statement: str, *args: Any) -> asyncpg.Record | None:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchrow(statement, *args)
    finally:
        await connection.close()
