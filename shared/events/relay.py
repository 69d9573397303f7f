"""The relay: takes outbox rows in the order of their ids to JetStream, and keeps a copy (events.md, C1)."""

import asyncio
import contextlib
import time

import structlog
from nats.aio.client import Client

from shared.events.lease import Lease
from shared.wire.envelope import event_subject
from shared.wire.jetstream import MAX_BATCH, Message, PublishFailed, end_if_cancelled, publish_batch

log = structlog.get_logger()
_DRAIN_S = 2.0
_POLL_S = 1.0
_LONGEST_WAIT_S = 5.0
_FORGET_S = 3600.0

_READ = "select id, event_id, tenant_id, type, envelope::text as envelope from kit.outbox order by id limit $1"
_SENT = """
    with gone as (delete from kit.outbox where id = any($1::bigint[]) returning *)
    insert into kit.outbox_sent (id, tenant_id, event_id, type, envelope, created_at, stream_sequence)
    select id, tenant_id, event_id, type, envelope, created_at, number
    from gone join unnest($1::bigint[], $2::bigint[]) as sent (id, number) using (id)
"""
# Copies: as long as the stream keeps them, and a day more; only the oldest rows are looked at. Those of tenants for ever, as
# stream TENANTS does: a module installed late hears of all. Answers to idempotency
# keys, which hold rows as they were: as long as they are recalled; those of demo data say that it was made.
FORGET = (
    """
    delete from kit.outbox_sent where id in (
        select id from (
            select id, sent_at from kit.outbox_sent where type not like 'tenant.%' order by id limit 5000
        ) as oldest
        where sent_at < clock_timestamp() - interval '31 days'
    )
    """,
    "delete from kit.idempotency where created_at < clock_timestamp() - interval '7 days' and key not like 'demo:%'",
)


class Relay:
    """One module's relay. `wake` is called after each commit that wrote events; without it, it looks once a second."""

    def __init__(self, client: Client) -> None:
        """Publish by `client`."""
        self._client = client
        self._woken = asyncio.Event()
        self._forgot_at = time.monotonic()

    def wake(self) -> None:
        """Look at the outbox now."""
        self._woken.set()

    async def run(self, lease: Lease) -> None:
        """Relay until cancelled. Raises LeaseLost; waits while the stream takes nothing, with the rows kept."""
        wait_s = 0.1
        while True:
            end_if_cancelled()
            self._woken.clear()
            try:
                sent = await self._pass(lease)
                wait_s = 0.1
            except PublishFailed as error:
                log.warning("relay_stalled", module=lease.consumer, error=str(error))
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
                continue
            if sent < MAX_BATCH:  # that was all, but for what has woken it since
                await self._forget(lease)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_S):
                        await self._woken.wait()

    async def drain(self, lease: Lease) -> None:
        """Send what is left before the process ends; it is tried again for two seconds.

        The batch that the end of `run` interrupted is still open at the server, which may refuse the next one.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                while True:
                    try:
                        while await self._pass(lease):
                            pass
                        return
                    except PublishFailed as error:
                        log.info("relay_stalled", module=lease.consumer, error=str(error))
                        await asyncio.sleep(0.1)

    async def _forget(self, lease: Lease) -> None:
        """Delete what is kept for a time only, now and then."""
        if time.monotonic() - self._forgot_at > _FORGET_S:
            self._forgot_at = time.monotonic()
            for statement in FORGET:
                await lease.execute(statement)

    async def _pass(self, lease: Lease) -> int:
        rows = await lease.fetch(_READ, MAX_BATCH)
        if not rows:
            return 0
        messages = [
            Message(
                subject=event_subject(str(row["tenant_id"]), row["type"]),
                id=str(row["event_id"]),
                body=row["envelope"].encode(),
            )
            for row in rows
        ]
        numbers = await publish_batch(self._client, messages)
        await lease.execute(_SENT, [row["id"] for row in rows], numbers)
        return len(rows)
