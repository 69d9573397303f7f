"""The audit: is every event that modules have sent on the stream, and if not, can it be filled again (events.md, H1)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec
from nats.aio.client import Client

from shared.events.stream import StreamState, deliver_again, forget_ids, ids_on_stream, listeners, state_of_stream
from shared.wire.envelope import event_subject
from shared.wire.jetstream import MAX_BATCH, TENANTS, Message, publish_batch

_MARGIN_S = 3600  # what is about to grow old may go at any moment
_WAITING = "select count(*) from kit.outbox"
# What lies on EVENTS still; and what TENANTS keeps without limit, the last event of each kind, however old.
_SENT = """
    with recent as (
        select id from kit.outbox_sent where $1 = 0 or sent_at > clock_timestamp() - make_interval(secs => $1)
    ), last as (
        select max(id) as id from kit.outbox_sent where type like 'tenant.%' group by tenant_id, type
    )
    select event_id, stream_sequence, recent.id is null as is_old from kit.outbox_sent
    left join recent using (id) left join last using (id)
    where recent.id is not null or last.id is not null order by id
"""
_COPIES = """
    select id, event_id, tenant_id, type, envelope::text as envelope from kit.outbox_sent
    where event_id = any($1::uuid[]) order by id
"""
_PLACED = """
    update kit.outbox_sent set stream_sequence = number
    from unnest($1::bigint[], $2::bigint[]) as placed (id, number) where outbox_sent.id = placed.id
"""


class ModuleAudit(msgspec.Struct, frozen=True, kw_only=True):
    """One module's events: how many were sent, how many wait to be, and which the stream has lost."""

    sent: int
    waiting: int
    missing: tuple[UUID, ...] = ()
    highest: int = 0  # the highest number that the stream has given one of them


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What the audit found."""

    stream: StreamState
    modules: dict[str, ModuleAudit]

    @property
    def missing(self) -> int:
        """How many sent events are not on the stream."""
        return sum(len(module.missing) for module in self.modules.values())

    @property
    def faults(self) -> list[str]:
        """What is wrong, in sentences; nothing when the stream is whole."""
        highest = max((module.highest for module in self.modules.values()), default=0)
        found = [
            f"{len(module.missing)} events that {slug} has sent are not on the stream."
            for slug, module in self.modules.items()
            if module.missing
        ]
        if highest > self.stream.last_sequence:
            found.append(
                f"The stream ends at message {self.stream.last_sequence}, and has acknowledged {highest}: its end is lost."
            )
        if self.stream.deleted:
            found.append(f"The stream has {self.stream.deleted} holes.")
        return found


async def audit(relay_urls: Mapping[str, str], client: Client) -> Audit:
    """Compare what every module has sent, event by event, with what lies on the stream.

    Events that the stream may have let go by age are not missed, but for those of tenants on stream TENANTS. Events sent
    while the audit reads are seen or not seen on both sides: modules are asked first.
    """
    stream = await state_of_stream(client)
    known_s = max(0.0, stream.max_age_s - _MARGIN_S)
    sent = {slug: await _sent(url, known_s) for slug, url in relay_urls.items()}
    present = await ids_on_stream(client)
    kept = await ids_on_stream(client, TENANTS)
    return Audit(
        stream=await state_of_stream(client),
        modules={
            slug: ModuleAudit(
                sent=len(events),
                waiting=waiting,
                missing=tuple(one.id for one in events if str(one.id) not in (kept if one.is_old else present)),
                highest=max((one.place or 0 for one in events), default=0),
            )
            for slug, (events, waiting) in sent.items()
        },
    )


async def refill(relay_urls: Mapping[str, str], client: Client, found: Audit) -> int:
    """Publish what the audit has missed again, in the order it was written, and let all consumers deliver anew.

    Returns how many events were published. The modules concerned must not be sending meanwhile: stop them first.
    Inboxes drop what they know. Raises PublishFailed; what was published until then stays, and an audit sees it.
    """
    published = 0
    if found.missing:
        await forget_ids(client)
    for slug, module in found.modules.items():
        if module.missing:
            published += await _publish(relay_urls[slug], client, module.missing)
    if published:
        await deliver_again(client, [listener.module for listener in await listeners(client)])
    return published


class _Sent(NamedTuple):
    id: UUID
    place: int | None
    is_old: bool


async def _sent(url: str, known_s: float) -> tuple[list[_Sent], int]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(_SENT, known_s)
        return [_Sent(*row) for row in rows], await connection.fetchval(_WAITING)
    finally:
        await connection.close()


async def _publish(url: str, client: Client, events: Sequence[UUID]) -> int:
    connection = await asyncpg.connect(url)
    try:
        for start in range(0, len(events), MAX_BATCH):
            rows = await connection.fetch(_COPIES, events[start : start + MAX_BATCH])
            messages = [
                Message(
                    event_subject(str(row["tenant_id"]), row["type"]), str(row["event_id"]), row["envelope"].encode()
                )
                for row in rows
            ]
            numbers = await publish_batch(client, messages)
            await connection.execute(_PLACED, [row["id"] for row in rows], numbers)
    finally:
        await connection.close()
    return len(events)
