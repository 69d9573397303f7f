"""The consumer: takes events in, in order within an aggregate, in parallel across aggregates (events.md, B)."""

import asyncio
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from shared.database.faults import is_timeout, is_transient
from shared.database.transaction import Database, Transaction
from shared.errors import Defect, NotYet
from shared.events.inbox import Claim, claim, park, park_behind
from shared.events.lease import Lease, LeaseLost
from shared.wire.envelope import MAX_CHAIN, Cause, Envelope, Event
from shared.wire.jetstream import EVENTS, Continuity, Message, PublishFailed, publish, pulling
from shared.wire.principal import system

log = structlog.get_logger()
_LANES = 16
_LANE_SIZE = 32
_BATCH = 128
_FETCH_S = 5.0
_TRIES = 3
_PAUSES_S = (0.01, 0.04, 0.16)
_PATIENCE_S = 60.0
_LONGEST_PAUSE_S = 30.0
_decode = msgspec.json.Decoder(Envelope).decode


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a module does on one event type, and how it reads the payload; `external` effects are skipped on replay.

    Without a `reading` the handler takes the envelope itself.
    """

    reading: type[Event] | None
    handler: Callable[[Transaction, Any], Any]
    external: bool = False


class TooLongChain(Defect):
    """Events caused events caused events: most likely a loop."""

    def __init__(self, length: int) -> None:
        """Name the length of the chain."""
        super().__init__(f"This event stands at the end of a chain of {length} events; {MAX_CHAIN} are allowed.")


class UnknownVersion(Defect):
    """The payload has a higher version than this module reads: it is parked, not guessed."""

    def __init__(self, event_type: str, sent: int, known: int) -> None:
        """Name the two versions."""
        super().__init__(f"{event_type} came with schemaversion {sent}; this module reads up to {known}: upgrade it.")


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
        self._lanes: list[asyncio.Queue[Msg]] = []
        self._pulling: asyncio.Task[None] | None = None

    async def run(self, lease: Lease) -> None:
        """Consume until cancelled.

        Raises LeaseLost when another process took over, StreamLost when the connection broke: reset the consumer then.
        """
        self._lanes = [asyncio.Queue(_LANE_SIZE) for _ in range(_LANES)]
        async with asyncio.TaskGroup() as tasks:
            for lane in self._lanes:
                tasks.create_task(self._work(lane, lease))
            self._pulling = tasks.create_task(self._pull(lease))

    async def drain(self) -> None:
        """Take nothing more, and wait until what was taken is applied. `run` goes on until it is cancelled."""
        if self._pulling is not None:
            self._pulling.cancel()
        await asyncio.gather(*(lane.join() for lane in self._lanes))

    async def _pull(self, lease: Lease) -> None:
        async with pulling(self._client, EVENTS, lease.consumer, "pull") as subscription:
            continuity = Continuity(self._client)
            while True:
                messages: list[Msg] = []
                try:
                    messages = await subscription.fetch(_BATCH, timeout=_FETCH_S)
                except (NatsError, TimeoutError) as error:
                    if not isinstance(error, TimeoutError):
                        log.warning("pull_failed", module=lease.consumer, error=str(error) or type(error).__name__)
                        await asyncio.sleep(0.5)
                continuity.check()
                for message in messages:
                    await self._lane_of(message).put(message)

    def _lane_of(self, message: Msg) -> asyncio.Queue[Msg]:
        try:
            envelope = _decode(message.data)
            key = f"{envelope.tenant_id}/{envelope.key}"
        except msgspec.MsgspecError:
            key = ""
        return self._lanes[zlib.crc32(key.encode()) % _LANES]

    async def _work(self, lane: asyncio.Queue[Msg], lease: Lease) -> None:
        while True:
            message = await lane.get()
            try:
                await self._take(message, lease)
                await message.ack()
            finally:
                lane.task_done()

    async def _take(self, message: Msg, lease: Lease) -> None:
        try:
            envelope = _decode(message.data)
        except msgspec.MsgspecError as error:
            return await self._reject(message, lease, "MALFORMED", str(error))
        _, tenant, event_type = message.subject.split(".", 2)
        if str(envelope.tenant_id) != tenant:
            return await self._reject(message, lease, "FORGED_TENANT", f"the envelope says {envelope.tenant_id}")
        if envelope.type != event_type:
            return await self._reject(message, lease, "MALFORMED", f"the envelope says {envelope.type}")
        subscription = subscription_to(self._subscriptions, event_type)
        if subscription is not None:
            await self._until_settled(envelope, message.data, subscription, lease)
        return None

    async def _until_settled(self, envelope: Envelope, body: bytes, subscription: Subscription, lease: Lease) -> None:
        """Apply an event, again after faults: three tries, without limit for a database that is away, for a while else."""
        tries, waited_s, pause_s = 0, 0.0, 0.1
        while True:
            try:
                return await self._apply(envelope, body, subscription, lease)
            except LeaseLost:
                raise
            except Exception as error:
                reason = str(error) if isinstance(error, NotYet) else f"{type(error).__name__}: {error}"
                if isinstance(error, NotYet) or is_timeout(error):
                    if waited_s >= self._patience_s:
                        break
                    waited_s += pause_s
                elif not is_transient(error):
                    log.warning("event_failed", **_facts(envelope, lease), attempt=tries + 1, error=reason)
                    if tries == _TRIES - 1:
                        break
                    await asyncio.sleep(_PAUSES_S[tries])
                    tries += 1
                    continue
                log.warning("event_waits", **_facts(envelope, lease), error=reason)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        await self._park(envelope, body, lease, reason, tries + 1)

    async def _apply(self, envelope: Envelope, body: bytes, subscription: Subscription, lease: Lease) -> None:
        event = check(envelope, subscription)
        async with self._database.transaction(system(envelope.tenant_id), cause_of(envelope)) as tx:
            match await claim(tx, lease.consumer, lease.epoch, envelope):
                case Claim.APPLY:
                    await subscription.handler(tx, event)
                case Claim.BEHIND_PARKED:
                    await park_behind(tx, envelope, body, None, 0)
                case Claim.KNOWN:
                    pass

    async def _park(self, envelope: Envelope, body: bytes, lease: Lease, reason: str, tries: int) -> None:
        reason = reason.encode(errors="replace").decode().replace("\0", "")  # what PostgreSQL can keep
        async with self._database.transaction(system(envelope.tenant_id), cause_of(envelope)) as tx:
            await park(tx, lease.consumer, lease.epoch, envelope, body, reason, tries)
        log.error("event_parked", **_facts(envelope, lease), error=reason)
        await self._notify(lease, str(envelope.tenant_id), envelope.type, body, str(envelope.id), reason)

    async def _reject(self, message: Msg, lease: Lease, code: str, reason: str) -> None:
        """Copy a message that can't be an event to the dead letters; it parks no key (contracts.md, "Events")."""
        log.error("event_rejected", module=lease.consumer, subject=message.subject, code=code, reason=reason)
        _, tenant, event_type = message.subject.split(".", 2)
        number = f"{lease.consumer}-{message.metadata.sequence.stream}"
        await self._notify(lease, tenant, event_type, message.data, number, code)

    async def _notify(self, lease: Lease, tenant: str, event_type: str, body: bytes, number: str, reason: str) -> None:
        subject = f"dlq.{lease.consumer}.{tenant}.{event_type}"
        copy = Message(subject, f"dlq-{lease.consumer}-{number}", body)
        headers = {"Mewayz-Reason": reason.splitlines()[0][:200] if reason else "UNKNOWN"}
        while True:  # nothing else comes either while the stream is away
            try:
                await publish(self._client, copy, headers)
                return
            except PublishFailed as error:
                log.warning("notice_waits", module=lease.consumer, subject=subject, error=str(error))
                await asyncio.sleep(1)


def subscription_to(subscriptions: Mapping[str, Subscription], event_type: str) -> Subscription | None:
    """Return what a module does on an event type: by its name, else by a pattern that it fits (see HandlerMark)."""
    rest = event_type.partition(".")[2]
    return subscriptions.get(event_type) or subscriptions.get(f"*.{rest}") or subscriptions.get(">")


def check(envelope: Envelope, subscription: Subscription) -> Event | Envelope:
    """Return the event as the module reads it. Raises TooLongChain, UnknownVersion, pydantic's ValidationError.

    Who reads no payload can read every version of it.
    """
    if envelope.chain > MAX_CHAIN:
        raise TooLongChain(envelope.chain)
    if subscription.reading is None:
        return envelope
    known = subscription.reading.schema_version
    if envelope.schema_version > known:
        raise UnknownVersion(envelope.type, envelope.schema_version, known)
    return subscription.reading.model_validate(dict(envelope.data))


def cause_of(envelope: Envelope) -> Cause:
    """Return why the transaction of an event's handler runs: its own events carry this on."""
    return Cause(
        correlation_id=envelope.correlation_id,
        causation_id=envelope.id,
        traceparent=envelope.traceparent,
        chain=envelope.chain + 1,
    )


def _facts(envelope: Envelope, lease: Lease) -> dict[str, Any]:
    return {
        "module": lease.consumer,
        "tenant": str(envelope.tenant_id),
        "type": envelope.type,
        "key": envelope.key,
        "sequence": envelope.sequence,
        "id": str(envelope.id),
    }
