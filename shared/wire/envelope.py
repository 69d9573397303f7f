"""Events as they cross the wire: the payload classes of a module and the CloudEvents envelope around them."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

import msgspec
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

MAX_BYTES = 256 * 1024  # of a message's body; the stream's own limit counts its headers too
MAX_CHAIN = 16


class Event(BaseModel):
    """The payload of a domain event.

    A module writes one class for each event it publishes, `class DealCloseWon(Event, type="deal.close.won",
    aggregate="Deal")`, and one without `aggregate` for each that it hears: its own reading, which names only the fields it
    needs (a tolerant reader; unknown fields are ignored). `key` names the field that holds the aggregate's id, by default
    `<aggregate>_id`. `version` is raised only by breaking changes.
    """

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore", hide_input_in_errors=True
    )
    type: ClassVar[str] = ""
    aggregate: ClassVar[str | None] = None
    key: ClassVar[str] = ""
    schema_version: ClassVar[int] = 1

    def __init_subclass__(
        cls, *, type: str = "", aggregate: str | None = None, key: str | None = None, version: int = 1, **options: Any
    ) -> None:
        """Keep what the class line says."""
        super().__init_subclass__(**options)
        cls.type = type or cls.type
        cls.aggregate = aggregate
        cls.key = key or (f"{_snake(aggregate)}_id" if aggregate else "")
        cls.schema_version = version

    @classmethod
    def of(cls, row: Any, **more: Any) -> Self:
        """Make the event from a row: fields of the same name, the row's id as key, and `more` for the rest."""
        values = {
            name: more[name] if name in more else row.id if name == cls.key else getattr(row, name)
            for name in cls.model_fields
        }
        return cls(**values)

    @property
    def subject(self) -> UUID:
        """The id of the aggregate whose fact this is."""
        return getattr(self, self.key)


class Envelope(msgspec.Struct, frozen=True, kw_only=True, rename="lower"):
    """One message: a CloudEvents 1.0 object (contracts.md, "Events"). `sequence` counts the aggregate's events from 1.

    What the inbox could not keep - a number beyond bigint, a name with a NUL in it - is malformed.
    """

    specversion: str = "1.0"
    id: UUID
    source: str
    type: str
    subject: UUID
    time: datetime
    datacontenttype: str = "application/json"
    tenant_id: UUID = msgspec.field(name="tenantid")
    aggregate_type: Annotated[str, msgspec.Meta(pattern=r"^\w{1,200}$")] = msgspec.field(name="aggregatetype")
    sequence: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    schema_version: int = msgspec.field(name="schemaversion")
    actor_id: UUID | None = msgspec.field(name="actorid", default=None)
    correlation_id: UUID = msgspec.field(name="correlationid")
    causation_id: UUID | None = msgspec.field(name="causationid", default=None)
    origin: str | None = None  # the address that the request behind it came from
    chain: int = 0  # how many events led to this one
    traceparent: str | None = None
    data: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The ordering key: one aggregate."""
        return ordering_key(self.aggregate_type, self.subject)

    @property
    def nats_subject(self) -> str:
        """Where the message is published."""
        return event_subject(str(self.tenant_id), self.type)


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why a transaction runs: the request or the event behind it. Its events carry this on."""

    correlation_id: UUID
    causation_id: UUID | None = None
    traceparent: str | None = None
    chain: int = 0


def ordering_key(aggregate_type: str, subject: UUID) -> str:
    """Return the key under which events are ordered: aggregate type and id."""
    return f"{aggregate_type}/{subject}"


def event_subject(tenant: str, event_type: str) -> str:
    """Return the NATS subject of an event; `tenant` may be `*`."""
    return f"evt.{tenant}.{event_type}"


def correlation_of(traceparent: str | None) -> UUID | None:
    """Return the trace id of a W3C traceparent as a UUID: all events of one request share it."""
    try:
        return UUID((traceparent or "").split("-")[1])
    except (IndexError, ValueError):
        return None


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
