"""Events out and in: on the stream in order, and heard again without effect (contracts.md, "Events")."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from shared.errors import MewayzError, NotYet
from shared.events.subscription import Subscription
from shared.testing.conformance.subject import Subject
from shared.testing.rows import plant_tenant
from shared.testing.samples import sample, sample_id
from shared.wire.envelope import Envelope, Event
from shared.wire.principal import Principal, system
from shared.wire.privacy import privacy_answer


async def every_event_reaches_the_stream_in_order(subject: Subject) -> None:
    """Each published type, twice of one aggregate: numbered from 1 on, in the envelope's form, readable as it was sent."""
    running = subject.running
    who = await running.new_tenant()
    kinds = list(running.module.published.values())
    sent = [(kind, _payload(kind, who)) for kind in kinds for _ in range(2)]
    for kind, payload in sent:
        async with running.database.transaction(who) as tx:
            tx.publish(kind.model_validate(payload))
    own = f"/{running.module.slug}"  # other modules that run may hear of these events, and tell of their own
    found = [one for one in await running.outgoing(who.tenant) if one["source"] == own]
    assert len(found) >= len(sent), f"{len(found)} of {len(sent)} events reached the stream"
    last: dict[str, int] = {}
    for envelope in found:
        kind = running.module.published[envelope["type"]]
        assert envelope["source"] == own
        assert envelope["tenantid"] == str(who.tenant)
        assert envelope["aggregatetype"] == kind.aggregate
        assert kind.model_validate(envelope["data"]).subject == UUID(envelope["subject"])
        key = f"{envelope['aggregatetype']}/{envelope['subject']}"
        assert envelope["sequence"] == last.get(key, 0) + 1, f"{envelope['type']} of {key}"
        last[key] = envelope["sequence"]


async def an_event_heard_again_changes_nothing(subject: Subject) -> None:
    """A fact that its publisher tells once more, under a new id, makes no row, removes none and is told to no one.

    What waits for another's fact (NotYet) is tried again after the others; what refuses the sample is passed over.
    """
    running = subject.running
    who = await running.new_tenant()
    await plant_tenant(running.module, running.database, who)
    waiting = dict(running.module.handled)
    for _ in range(2):
        for event_type, subscription in list(waiting.items()):
            event = _heard(subscription, who)
            try:
                await _apply(subject, who, subscription, event)
            except NotYet:
                continue
            except MewayzError:
                waiting.pop(event_type)
                continue
            waiting.pop(event_type)
            before = await subject.dump(who)
            told = await _apply(subject, who, subscription, event)
            assert not told, f"{event_type}, heard again, tells {told}"
            assert (await subject.dump(who)).keys() == before.keys(), (
                f"{event_type}, heard again, makes or removes rows"
            )


async def _apply(subject: Subject, who: Principal, subscription: Subscription, event: Event | Envelope) -> list[str]:
    """Run the handler as the consumer does; return the types of the events it published."""
    async with subject.running.database.transaction(system(who.tenant)) as tx:
        await subscription.handler(tx, event)
        return [published.type for published in tx.events]


def _heard(subscription: Subscription, who: Principal) -> Event | Envelope:
    if subscription.reading is not None:
        return subscription.reading.model_validate(_payload(subscription.reading, who))
    assert who.tenant is not None
    answer = privacy_answer("crm")  # the one kind of event that a pattern other than `>` is of
    subject, now = sample_id("subject", str(who.tenant)), datetime(2026, 3, 10, 9, tzinfo=UTC)
    return Envelope(
        id=sample_id("event", str(who.tenant)),
        source="/crm",
        type=answer.type,
        subject=subject,
        time=now,
        tenant_id=who.tenant,
        aggregate_type=answer.aggregate or "",
        sequence=1,
        schema_version=1,
        actor_id=who.user,
        correlation_id=subject,
        data=_payload(answer, who),
    )


def _payload(kind: type[Event], who: Principal) -> dict[str, Any]:
    return sample(TypeAdapter(kind), kind.__name__, 1, salt=str(who.tenant))
