"""What a module does on an event type, and how it reads one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.database.transaction import Transaction
from shared.errors import Defect
from shared.wire.envelope import MAX_CHAIN, Cause, Envelope, Event


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a module does on one event type, and how it reads the payload; `external` effects are skipped on replay.

    Without a `reading` the handler takes the envelope itself. One that `keeps` is told of older rows too (state.py).
    """

    reading: type[Event] | None
    handler: Callable[[Transaction, Any], Any]
    external: bool = False
    keeps: bool = False


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
