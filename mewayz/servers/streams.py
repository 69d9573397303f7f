"""The streams and consumers of JetStream, made by the supervisor alone (events.md A; contracts.md, "Events")."""

import json
from collections.abc import Iterable
from typing import Any

import nats
from nats.aio.client import Client

from shared.errors import Defect
from shared.wire.envelope import MAX_BYTES
from shared.wire.receipt import LONGEST_WAIT, REMEMBERED, command_subject

_DAY_NS = 24 * 3600 * 10**9
_MINUTE_NS = 60 * 10**9
_GIB = 1024**3
_HEADERS_BYTES = 1024
_EVENTS_AT_ONCE = 512
_COMMANDS_AT_ONCE = 2048  # more than wait of one tenant: one whose commands don't get through holds up nobody
_EXISTS = (10058, 10148)  # the stream or consumer is there, with another configuration
_NO_CONSUMER = 10014

# No stream denies deletion: that can't be undone, and a damaged one must be refilled (events.md H).
_STREAMS: tuple[dict[str, Any], ...] = (
    {
        "name": "EVENTS",
        "subjects": ["evt.*.>"],
        "retention": "limits",
        "discard": "new",
        "max_age": 30 * _DAY_NS,
        "max_bytes": 16 * _GIB,
        "max_msg_size": MAX_BYTES + _HEADERS_BYTES,
        "duplicate_window": 2 * _MINUTE_NS,
        "compression": "s2",
        "allow_atomic": True,
        "allow_direct": True,
        "allow_msg_ttl": True,
    },
    {
        "name": "TENANTS",
        "sources": [{"name": "EVENTS", "filter_subject": "evt.*.tenant.>"}],
        "max_msgs_per_subject": 1,
        "discard": "old",
        "max_bytes": _GIB,
        "allow_direct": True,
    },
    {
        "name": "COMMANDS",
        "subjects": ["cmd.>"],
        "retention": "workqueue",
        "discard": "new",
        "max_age": (LONGEST_WAIT + REMEMBERED).days * _DAY_NS,  # each message says when it ends: it ends before this
        "max_bytes": 4 * _GIB,
        "max_msg_size": 256 * 1024,
        "duplicate_window": 60 * _MINUTE_NS,
        "allow_atomic": True,
        "allow_direct": True,
        "allow_msg_ttl": True,
    },
    {
        "name": "CMDRES",
        "subjects": ["cmdres.>"],
        "max_msgs_per_subject": 1,
        "discard": "old",
        "max_age": 7 * _DAY_NS,
        "max_bytes": 4 * _GIB,
        "allow_direct": True,
    },
    {"name": "DLQ", "subjects": ["dlq.>"], "discard": "old", "max_age": 90 * _DAY_NS, "max_bytes": 4 * _GIB},
)


async def connect(admin_url: str) -> Client:
    """Return a connection of the administrator, which gives up soon: it is made to a server known to run.

    The URLs of a cluster's servers are joined by commas.
    """
    return await nats.connect(admin_url.split(","), connect_timeout=5, max_reconnect_attempts=1, allow_reconnect=False)


async def make_streams(client: Client, *, replicas: int = 1) -> None:
    """Make the five streams, or bring them to today's configuration; `replicas` is 3 on a cluster of three."""
    for stream in _STREAMS:
        configuration = {"storage": "file", "num_replicas": replicas, **stream}
        try:
            await _call(client, f"STREAM.CREATE.{stream['name']}", configuration)
        except JetStreamRefused as refusal:
            if refusal.facts["err_code"] not in _EXISTS:
                raise
            await _call(client, f"STREAM.UPDATE.{stream['name']}", configuration)


async def make_consumers(client: Client, slug: str, subscribes: Iterable[str], *, takes_queued: bool = True) -> None:
    """Make module `slug`'s durable consumers, or change their filter: on TENANTS, on EVENTS where it hears any, and on
    COMMANDS where commands may wait for it.

    One that it had and needs no longer is deleted: nobody would take what waits there, and it would wake the module for ever.

    A message is delivered until it is acknowledged: poison is parked by the module, never dropped by the server.
    """
    await _make_consumer(client, "TENANTS", slug, [])
    filters = ["evt.*.>"] if ">" in subscribes else [f"evt.*.{event_type}" for event_type in sorted(subscribes)]
    if filters:
        await _make_consumer(client, "EVENTS", slug, filters)
    else:
        await _delete_consumer(client, "EVENTS", slug)
    if takes_queued:
        await _make_consumer(client, "COMMANDS", slug, [command_subject(slug, "*", "*")], at_once=_COMMANDS_AT_ONCE)
    else:
        await _delete_consumer(client, "COMMANDS", slug)


async def _make_consumer(
    client: Client, stream: str, slug: str, filters: list[str], *, at_once: int = _EVENTS_AT_ONCE
) -> None:
    configuration = {
        "durable_name": slug,
        "ack_policy": "explicit",
        "deliver_policy": "all",
        "ack_wait": 30 * 10**9,
        "max_deliver": -1,
        "max_ack_pending": at_once,
        **({"filter_subjects": filters} if filters else {}),
    }
    await _call(
        client,
        f"CONSUMER.DURABLE.CREATE.{stream}.{slug}",
        {"stream_name": stream, "config": configuration, "action": ""},
    )


async def _delete_consumer(client: Client, stream: str, slug: str) -> None:
    try:
        await _call(client, f"CONSUMER.DELETE.{stream}.{slug}", {})
    except JetStreamRefused as refusal:
        if refusal.facts["err_code"] != _NO_CONSUMER:
            raise


class JetStreamRefused(Defect):
    """The server refused a stream or consumer of ours."""

    code = "INTERNAL"

    def __init__(self, subject: str, err_code: int, description: str) -> None:
        """Name the call, and the server's code and words."""
        super().__init__(f"JetStream refused {subject}: {description}.", err_code=err_code)


async def _call(client: Client, subject: str, body: dict[str, Any]) -> None:
    answer = json.loads((await client.request(f"$JS.API.{subject}", json.dumps(body).encode(), timeout=10)).data)
    if error := answer.get("error"):
        raise JetStreamRefused(subject, error["err_code"], error["description"])
