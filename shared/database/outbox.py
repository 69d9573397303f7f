"""The outbox: events written in the transaction whose facts they are (events.md, C1 and C3)."""

import json
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.clock import new_id
from shared.errors import Defect
from shared.wire.envelope import MAX_BYTES, Event, ordering_key

if TYPE_CHECKING:
    from shared.database.transaction import Transaction

# The key's row is locked before the event gets its id, so an aggregate's events can be read in order of id.
_WRITE = text("""
    with key as (
        insert into kit.outbox_key as k (tenant_id, key, sequence) values (:tenant_id, :key, 1)
        on conflict (tenant_id, key) do update set sequence = k.sequence + 1
        returning sequence
    )
    insert into kit.outbox (tenant_id, event_id, type, envelope)
    select :tenant_id, :event_id, :type, jsonb_set(cast(:envelope as jsonb), '{sequence}', to_jsonb(key.sequence)) from key
""")


async def write_events(session: AsyncSession, slug: str, tx: "Transaction") -> None:
    """Write the transaction's events as outbox rows, each with its aggregate's next sequence.

    Keys are taken in one order everywhere, so that two transactions with several aggregates don't wait for each other.
    Raises Defect for an event that is too large for the stream (256 KiB).
    """
    for published in sorted(tx.events, key=lambda published: (published.aggregate or "", str(published.subject))):
        event_id = new_id(tx.now())
        envelope = orjson.dumps({"id": str(event_id), **_envelope(published, slug, tx)})
        if len(envelope) > MAX_BYTES // 2 and (size := _size_as_sent(envelope)) > MAX_BYTES:
            raise Defect(f"The event {published.type} has {size} bytes; {MAX_BYTES} are allowed.")
        row = {
            "tenant_id": tx.tenant_id,
            "key": ordering_key(published.aggregate or "", published.subject),
            "event_id": event_id,
            "type": published.type,
        }
        await session.execute(_WRITE, {**row, "envelope": envelope.decode()})
        session.sync_session.info["has_events"] = True


def _size_as_sent(envelope: bytes) -> int:
    """Return how many bytes PostgreSQL makes of it: it is sent as jsonb prints it, with a space behind each comma."""
    spaced = json.dumps(orjson.loads(envelope), ensure_ascii=False)
    return len(spaced.encode()) + len(', "sequence": ') + 19


def _envelope(published: Event, slug: str, tx: "Transaction") -> dict[str, Any]:
    if published.aggregate is None:
        raise Defect(f"{type(published).__name__} is another module's event: only its owner publishes it.")
    actor = tx.principal.user
    return {
        "specversion": "1.0",
        "source": f"/{slug}",
        "type": published.type,
        "subject": str(published.subject),
        "time": tx.now().isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "tenantid": str(tx.tenant_id),
        "aggregatetype": published.aggregate,
        "schemaversion": published.schema_version,
        "actorid": str(actor) if actor else None,
        "origin": tx.principal.address,
        "correlationid": str(tx.cause.correlation_id),
        "causationid": str(tx.cause.causation_id) if tx.cause.causation_id else None,
        "chain": tx.cause.chain,
        "traceparent": tx.cause.traceparent,
        "data": published.model_dump(mode="json", by_alias=True),
    }
