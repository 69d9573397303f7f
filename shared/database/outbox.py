"""The outbox: events written in the transaction whose facts they are (events.md, C1 and C3)."""

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from shared.clock import new_id
from shared.errors import Defect
from shared.wire.envelope import MAX_BYTES, Event, ordering_key

if TYPE_CHECKING:
    from shared.database.transaction import Transaction

# The keys' rows are locked, in one order everywhere, before the events get their ids: so an aggregate's events can be read in
# order of id, and two transactions with several aggregates don't wait for each other.
_WRITE = """
    with written as (
        select * from unnest($2::text[], $3::uuid[], $4::text[], $5::jsonb[])
        with ordinality as written (key, event_id, type, envelope, place)
    ), counted as (
        insert into kit.outbox_key as k (tenant_id, key, sequence)
        select $1, key, count(*) from written group by key order by key
        on conflict (tenant_id, key) do update set sequence = k.sequence + excluded.sequence
        returning key, sequence
    ), numbered as (
        select written.*, sequence - count(*) over (partition by key) + row_number() over (partition by key order by place)
            as number
        from written join counted using (key)
    )
    insert into kit.outbox (tenant_id, event_id, type, envelope)
    select $1, event_id, type, jsonb_set(envelope, '{sequence}', to_jsonb(number)) from numbered order by place
"""


async def write_events(tx: "Transaction") -> None:
    """Write the transaction's events as outbox rows, each with its aggregate's next sequence, in one statement.

    Raises Defect for an event that is too large for the stream (256 KiB).
    """
    rows = [_row(published, tx) for published in tx.events]
    await tx.fetch(_WRITE, tx.tenant_id, *map(list, zip(*rows, strict=True)))
    tx.session.sync_session.info["has_events"] = True


def _row(published: Event, tx: "Transaction") -> tuple[str, UUID, str, str]:
    """Return an event's ordering key, id, type and envelope."""
    event_id = new_id(tx.now())
    envelope = orjson.dumps({"id": str(event_id), **_envelope(published, tx)})
    if len(envelope) > MAX_BYTES // 2 and (size := _size_as_sent(envelope)) > MAX_BYTES:
        raise Defect(f"The event {published.type} has {size} bytes; {MAX_BYTES} are allowed.")
    return ordering_key(published.aggregate or "", published.subject), event_id, published.type, envelope.decode()


def _size_as_sent(envelope: bytes) -> int:
    """Return how many bytes PostgreSQL makes of it: it is sent as jsonb prints it, with a space behind each comma."""
    spaced = json.dumps(orjson.loads(envelope), ensure_ascii=False)
    return len(spaced.encode()) + len(', "sequence": ') + 19


def _envelope(published: Event, tx: "Transaction") -> dict[str, Any]:
    if published.aggregate is None:
        raise Defect(f"{type(published).__name__} is another module's event: only its owner publishes it.")
    actor = tx.principal.user
    return {
        "specversion": "1.0",
        "source": f"/{tx.slug}",
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
