"""The stream EVENTS as an operator reads it: its state, its consumers, which events lie on it (events.md, H)."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
import orjson
from nats.aio.client import Client

from shared.errors import Defect, Unavailable
from shared.wire.jetstream import EVENTS

_TIMEOUT_S = 10
_NOT_FOUND = 10037
_SHORTEST_NS = 100_000_000


class StreamRefused(Defect):
    """JetStream refused an administrator's call."""

    def __init__(self, call: str, description: str) -> None:
        """Name the call, and the server's words."""
        super().__init__(f"JetStream refused {call}: {description}.")


class StreamUnread(Unavailable):
    """Reading the stream stopped before its end."""

    code = "STREAM_UNREAD"

    def __init__(self, at: int, end: int) -> None:
        """Say how far reading came."""
        super().__init__(f"The stream was read up to message {at} of {end}: is NATS well? Try again.")


class StreamState(msgspec.Struct, frozen=True, kw_only=True):
    """How much the stream holds. `deleted` counts holes: messages that are gone without having grown old."""

    messages: int
    first_sequence: int
    last_sequence: int
    deleted: int
    max_age_s: float
    at: str  # the server's time, RFC 3339


class StreamMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message's place on the stream."""

    sequence: int
    time: str


@dataclass(frozen=True, slots=True)
class Listener:
    """A module's consumer: what it hears, and how far it has come."""

    module: str
    filters: tuple[str, ...]
    waiting: int

    def hears(self, event_type: str) -> bool:
        """Return whether events of a type are delivered to it."""
        return bool({"evt.*.>", f"evt.*.{event_type}"} & set(self.filters))


async def state_of_stream(client: Client, name: str = EVENTS) -> StreamState:
    """Return what the stream holds now. Raises StreamRefused."""
    answer = await call(client, f"STREAM.INFO.{name}")
    state = answer["state"]
    return StreamState(
        messages=state["messages"],
        first_sequence=state["first_seq"],
        last_sequence=state["last_seq"],
        deleted=state.get("num_deleted", 0),
        max_age_s=answer["config"].get("max_age", 0) / 1e9,
        at=answer["ts"],
    )


async def listeners(client: Client) -> list[Listener]:
    """Return every module's consumer. Raises StreamRefused."""
    found: list[Listener] = []
    total = 1
    while len(found) < total:
        answer = await call(client, f"CONSUMER.LIST.{EVENTS}", {"offset": len(found)})
        total = answer["total"]
        page: list[dict[str, Any]] = answer["consumers"] or []
        found += [_listener(one) for one in page]
        if not page:
            break
    return sorted(found, key=lambda one: one.module)


async def message_of(client: Client, sequence: int, event_id: UUID) -> StreamMessage | None:
    """Return the message at a place of the stream if it is this event's, else None. Raises StreamRefused."""
    try:
        answer = await call(client, f"STREAM.MSG.GET.{EVENTS}", {"seq": sequence})
    except KeyError:
        return None
    message = msgspec.json.decode(orjson.dumps(answer["message"]), type=_Stored)
    if msgspec.json.decode(message.data, type=_Id).id != event_id:
        return None
    return StreamMessage(sequence=message.seq, time=message.time)


async def ids_on_stream(client: Client, name: str = EVENTS) -> set[str]:
    """Return the `Nats-Msg-Id` of every message, read by its headers alone (about 100 bytes of memory each)."""
    state = await state_of_stream(client, name)
    end = state.last_sequence
    found, at = set[str](), 0
    stream = client.jetstream()  # pyright: ignore[reportUnknownMemberType]
    subscription = await stream.subscribe("evt.>", stream=name, ordered_consumer=True, headers_only=True)
    pending = 1 if state.messages else 0
    try:
        while pending:
            message = await subscription.next_msg(timeout=_TIMEOUT_S)
            at, pending = message.metadata.sequence.stream, message.metadata.num_pending
            found.add((message.headers or {}).get("Nats-Msg-Id", f"#{at}"))
            if at >= end:
                break
    except TimeoutError:
        if (await state_of_stream(client, name)).messages:
            raise StreamUnread(at, end) from None
    finally:
        await subscription.unsubscribe()
    return found


async def deliver_again(client: Client, modules: Iterable[str], *, first: int = 1) -> None:
    """Let consumers deliver again from message `first` on; their inboxes drop what they know. Raises StreamRefused."""
    for module in modules:
        await call(client, f"CONSUMER.RESET.{EVENTS}.{module}", {"seq": first})


async def forget_events(client: Client) -> None:
    """Empty the stream; it goes on counting where it was. Raises StreamRefused."""
    await call(client, f"STREAM.PURGE.{EVENTS}")


async def forget_ids(client: Client) -> None:
    """Let the stream take messages again that it had in the last two minutes, and has lost since. Raises StreamRefused.

    It would call them duplicates, and keep none: it forgets ids by their age alone.
    """
    config: dict[str, Any] = (await call(client, f"STREAM.INFO.{EVENTS}"))["config"]
    await call(client, f"STREAM.UPDATE.{EVENTS}", {**config, "duplicate_window": _SHORTEST_NS})
    await asyncio.sleep(2 * _SHORTEST_NS / 1e9)
    await call(client, f"STREAM.UPDATE.{EVENTS}", config)


async def call(client: Client, name: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask JetStream's API. Raises StreamRefused, and KeyError for a message that isn't there."""
    reply = await client.request(f"$JS.API.{name}", orjson.dumps(body) if body else b"", timeout=_TIMEOUT_S)
    answer: dict[str, Any] = orjson.loads(reply.data)
    if error := answer.get("error"):
        if error.get("err_code") == _NOT_FOUND:
            raise KeyError(name)
        raise StreamRefused(name, error["description"])
    return answer


class _Stored(msgspec.Struct):
    seq: int
    time: str
    data: bytes


class _Id(msgspec.Struct):
    id: UUID


def _listener(info: dict[str, Any]) -> Listener:
    config = info["config"]
    filters = config.get("filter_subjects") or ([config["filter_subject"]] if config.get("filter_subject") else [])
    return Listener(info["name"], tuple(filters), info["num_pending"] + info["num_ack_pending"])
