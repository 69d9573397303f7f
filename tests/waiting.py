"""How long tests wait for what must come, and how they read streams without racing against a busy server."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from nats.aio.client import Client
from nats.js import JetStreamContext

from shared.wire.jetstream import settled

# A wait that succeeds costs nothing: the bound is far above what the slowest machine has needed, and below pytest's own.
PATIENCE_S = 45.0


def until(condition: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    """Wait in a test that is no coroutine until a condition holds; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not true after {seconds} s"
        time.sleep(0.05)


def set_clock(clock: Path, seconds: float) -> None:
    """Move the business time of whoever follows the file `clock` (MEWAYZ_CLOCK); nobody reads a half of it."""
    written = clock.with_suffix(".new")
    written.write_text(str(seconds))
    written.replace(clock)


def takes(act: Callable[[], object], *, below_s: float) -> bool:
    """Whether one of ten tries ends in less than `below_s` seconds: a neighbour on the machine only ever adds to it."""
    for _ in range(10):
        began = time.monotonic()
        act()
        if time.monotonic() - began < below_s:
            return True
    return False


def jetstream(client: Client) -> JetStreamContext:
    """Return JetStream as tests speak to it: nats-py alone gives up after 5 s."""
    return client.jetstream(timeout=PATIENCE_S)


async def ask(client: Client, subject: str, body: Any = None) -> Any:
    """Return what JetStream answers to a request of its API; nats-py alone gives a busy disk half a second."""
    sent = b"" if body is None else orjson.dumps(body)
    return orjson.loads((await client.request(f"$JS.API.{subject}", sent, timeout=PATIENCE_S)).data)


async def has_sent_all(relay_url: str) -> bool:
    """Return whether a module's relay has sent all there is, and noted that it has."""
    connection = await asyncpg.connect(relay_url)
    try:
        return await connection.fetchval("select not exists (select from kit.outbox)")
    finally:
        await connection.close()


async def is_refused(client: Client, subject: str) -> bool:
    """Publish to a subject, and return whether the server says that this user may not."""
    await client.publish(subject, b"{}")
    await settled(client)
    return f'permissions violation for publish to "{subject}"'.lower() in str(client.last_error).lower()


async def messages(client: Client, subject: str) -> list[dict[str, Any]]:
    """Return all that a stream holds of `subject` (wildcards allowed) at this moment, in its order."""
    stream = jetstream(client)
    name = await stream.find_stream_name_by_subject(subject)
    held = (await ask(client, f"STREAM.INFO.{name}", {"subjects_filter": subject}))["state"].get("subjects") or {}
    subscription = await stream.subscribe(subject, stream=name, ordered_consumer=True)
    found = [orjson.loads((await subscription.next_msg(timeout=PATIENCE_S)).data) for _ in range(sum(held.values()))]
    await subscription.unsubscribe()
    return found
