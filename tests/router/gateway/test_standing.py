"""Connections that stay are counted, all of them and a tenant's: what comes above the bound is refused (threat 30)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.router.gateway.test_subscriptions import INIT, Raw
from tests.router.gateway.world import OTHER_TENANT, World, until, world

pytestmark = pytest.mark.anyio
DEFERRED = b'{"query":"{ deal(id: 1) { name ... @defer { invoices } } }"}'
SLOW = b'{"query": "{ held }"}'


@asynccontextmanager
async def connected(made: World, token: str) -> AsyncIterator[Any]:
    """Open a WebSocket and sign in; yield what it hears, and close it at the end."""
    client = await Raw.open(made.url.removeprefix("http://"))
    try:
        client.say({**INIT, "payload": {"authorization": f"Bearer {token}"}})
        yield await client.hear()
    finally:
        client.writer.close()


async def test_a_tenant_has_its_share_and_others_theirs(tmp_path: Path) -> None:
    async with world(tmp_path, tenant_streams=2) as made:
        await made.start()
        async with connected(made, made.token()) as first, anyio.create_task_group() as group:
            group.start_soon(partial(made.post, SLOW, headers={"accept": "text/event-stream"}))
            await until(lambda: made.crm.tokens)

            async with connected(made, made.token()) as refused, connected(made, made.token(OTHER_TENANT)) as other:
                stream = await made.post(SLOW, headers={"accept": "text/event-stream"})
                parts = await made.post(DEFERRED, headers={"accept": "multipart/mixed"})
                query = await made.graphql("{ tenant }")
            group.cancel_scope.cancel()
        await until(lambda: made.standing == 0)
        async with connected(made, made.token()) as again:
            pass

    assert first == other == again == {"type": "connection_ack"}
    assert refused == 1013
    assert (stream.status, b"retry-after" in stream.headers) == (503, True)
    assert (parts.status, b"retry-after" in parts.headers) == (503, True)
    assert query[0] == 200, "what doesn't stay goes on"


async def test_all_together_have_a_bound_before_anybody_signs_in(tmp_path: Path) -> None:
    async with world(tmp_path, streams=1) as made:
        await made.start()
        async with connected(made, made.token()) as first:
            second = await Raw.open(made.url.removeprefix("http://"))
            refused = await second.hear()
            second.writer.close()

    assert (first, refused) == ({"type": "connection_ack"}, 503)


async def test_who_never_signs_in_keeps_nobody_out(tmp_path: Path) -> None:
    """Sockets that have yet to sign in are counted by themselves, and those of one address"""
    async with world(tmp_path, streams=3, awaited_of_place=5) as made:
        await made.start()
        address = made.url.removeprefix("http://")
        silent = [await Raw.open(address) for _ in range(4)]
        async with connected(made, made.token()) as signed:
            pass
        silent += [await Raw.open(address) for _ in range(2)]
        refused = await silent[-1].hear()
        for one in silent:
            one.writer.close()

    assert (signed, refused) == ({"type": "connection_ack"}, 503)
