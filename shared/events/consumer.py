"""The consumer: takes events in, in order within an aggregate (events.md, B)."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from shared.database.faults import is_timeout, is_transient
from shared.database.transaction import Database
from shared.errors import NotYet
from shared.events.inbox import Claim, claim, park, park_behind
from shared.events.lanes import Lanes, Taken
from shared.events.lease import Lease, LeaseLost
from shared.events.subscription import Subscription, cause_of, check, subscription_to
from shared.wire.envelope import Envelope
from shared.wire.jetstream import EVENTS, Message, PublishFailed, publish, pull
from shared.wire.principal import system

log = structlog.get_logger()
_AT_ONCE = 6  # transactions: as many as the database keeps connections, which leaves the overflow to requests
_TOGETHER_S = 2.0
_TRIES = 3
_PAUSES_S = (0.01, 0.04, 0.16)
_PATIENCE_S = 60.0
_LONGEST_PAUSE_S = 30.0
_decode = msgspec.json.Decoder(Envelope).decode


class Consumer:
    """One module's consumer on stream EVENTS."""

    def __init__(
        self,
        client: Client,
        database: Database,
        subscriptions: Mapping[str, Subscription],
        *,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        """Apply events by `subscriptions`, keyed by event type or pattern.

        One whose fact is missing, or whose statements take too long, is parked after pauses of `patience_s` in all.
        """
        self._patience_s = patience_s
        self._client = client
        self._database = database
        self._subscriptions = subscriptions
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._lanes: Lanes | None = None
        self._pulling: asyncio.Task[None] | None = None

    async def run(self, lease: Lease) -> None:
        """Consume until cancelled.

        Raises LeaseLost when another process took over, StreamLost when the connection broke: reset the consumer then.
        """
        async with asyncio.TaskGroup() as tasks:
            self._lanes = lanes = Lanes(tasks, partial(self._settle, lease))
            self._pulling = tasks.create_task(
                pull(self._client, EVENTS, lease.consumer, partial(self._take, lease, lanes))
            )

    async def drain(self) -> None:
        """Take nothing more, and wait until what was taken is applied. `run` goes on until it is cancelled."""
        if self._pulling is not None:
            self._pulling.cancel()
        if self._lanes is not None:
            await self._lanes.drain()

    async def _take(self, lease: Lease, lanes: Lanes, message: Msg) -> None:
        """Put a message into its lane, or aside where it can't be an event."""
        _, tenant, event_type = message.subject.split(".", 2)
        try:
            envelope = _decode(message.data)
        except msgspec.MsgspecError as error:
            await self._reject(message, lease, "MALFORMED", str(error))
        else:
            subscription = subscription_to(self._subscriptions, event_type)
            if str(envelope.tenant_id) != tenant:
                await self._reject(message, lease, "FORGED_TENANT", f"the envelope says {envelope.tenant_id}")
            elif envelope.type != event_type:
                await self._reject(message, lease, "MALFORMED", f"the envelope says {envelope.type}")
            elif subscription is not None:
                return lanes.put(Taken(message, envelope, subscription))
        return await message.ack()

    async def _settle(self, lease: Lease, events: Sequence[Taken]) -> bool:
        """Apply events of one tenant in one transaction, and acknowledge them.

        Several that fail, or take longer than 2 s, are undone: False. One is tried again: three times, without limit for a
        database that is away, for a while where a fact is missing; then it is parked.
        """
        tries, waited_s, pause_s, given_up = 0, 0.0, 0.1, ""
        while True:
            try:
                async with self._places, asyncio.timeout(_TOGETHER_S if len(events) > 1 else None):
                    if given_up:
                        await self._park(lease, events[0], given_up, tries + 1)
                    else:
                        await self._apply(lease, events)
                break
            except LeaseLost:
                raise
            except Exception as error:
                if len(events) > 1 and (isinstance(error, TimeoutError) or not is_transient(error)):
                    return False
                reason = str(error) if isinstance(error, NotYet) else f"{type(error).__name__}: {error}"
                facts = _facts(events[0].envelope, lease)
                if given_up:
                    pass
                elif isinstance(error, NotYet) or is_timeout(error):
                    if waited_s >= self._patience_s:
                        given_up = reason
                        continue
                    waited_s += pause_s
                elif not is_transient(error):
                    log.warning("event_failed", **facts, attempt=tries + 1, error=reason)
                    if tries == _TRIES - 1:
                        given_up = reason
                        continue
                    await asyncio.sleep(_PAUSES_S[tries])
                    tries += 1
                    continue
                log.warning("event_waits", **facts, error=reason)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        if given_up:
            await self._tell_parked(lease, events[0], given_up)
        for taken in events:
            await taken.message.ack()
        return True

    async def _apply(self, lease: Lease, events: Sequence[Taken]) -> None:
        readings = [check(taken.envelope, taken.subscription) for taken in events]
        first = events[0].envelope
        async with self._database.transaction(system(first.tenant_id), cause_of(first)) as tx:
            envelopes = [taken.envelope for taken in events]
            claims, replayed_until = await claim(tx, lease.consumer, lease.epoch, envelopes)
            for taken, reading, what in zip(events, readings, claims, strict=True):
                match what:
                    case Claim.APPLY if taken.subscription.external and replayed_until and taken.at <= replayed_until:
                        log.warning("effect_left_out", **_facts(taken.envelope, lease), reason="it is a replay")
                    case Claim.APPLY:
                        tx.cause = cause_of(taken.envelope)
                        await taken.subscription.handler(tx, reading)
                        await tx.write()
                        tx.session.expunge_all()  # the next one reads rows anew, as in a transaction of its own
                    case Claim.BEHIND_PARKED:
                        await park_behind(tx, taken.envelope, taken.message.data, None, 0)
                    case Claim.KNOWN:
                        pass

    async def _park(self, lease: Lease, taken: Taken, reason: str, tries: int) -> None:
        envelope = taken.envelope
        reason = reason.encode(errors="replace").decode().replace("\0", "")  # what PostgreSQL can keep
        async with self._database.transaction(system(envelope.tenant_id), cause_of(envelope)) as tx:
            await park(tx, lease.consumer, lease.epoch, envelope, taken.message.data, reason, tries)

    async def _tell_parked(self, lease: Lease, taken: Taken, reason: str) -> None:
        envelope = taken.envelope
        log.error("event_parked", **_facts(envelope, lease), error=reason)
        await self._notify(lease, str(envelope.tenant_id), envelope.type, taken.message.data, str(envelope.id), reason)

    async def _reject(self, message: Msg, lease: Lease, code: str, reason: str) -> None:
        """Copy a message that can't be an event to the dead letters; it parks no key (contracts.md, "Events")."""
        log.error("event_rejected", module=lease.consumer, subject=message.subject, code=code, reason=reason)
        _, tenant, event_type = message.subject.split(".", 2)
        number = f"{lease.consumer}-{message.metadata.sequence.stream}"
        await self._notify(lease, tenant, event_type, message.data, number, code)

    async def _notify(self, lease: Lease, tenant: str, event_type: str, body: bytes, number: str, reason: str) -> None:
        subject = f"dlq.{lease.consumer}.{tenant}.{event_type}"
        headers = {"Mewayz-Reason": reason.splitlines()[0][:200] if reason else "UNKNOWN"}
        copy = Message(subject, f"dlq-{lease.consumer}-{number}", body, headers)
        while True:  # nothing else comes either while the stream is away
            try:
                await publish(self._client, copy)
                return
            except PublishFailed as error:
                log.warning("notice_waits", module=lease.consumer, subject=subject, error=str(error))
                await asyncio.sleep(1)


def _facts(envelope: Envelope, lease: Lease) -> dict[str, Any]:
    return {
        "module": lease.consumer,
        "tenant": str(envelope.tenant_id),
        "type": envelope.type,
        "key": envelope.key,
        "sequence": envelope.sequence,
        "id": str(envelope.id),
    }
