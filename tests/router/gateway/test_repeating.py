"""What is sent twice, and what is refused at the door: queries and keyed commands once more, no more than fits (events.md, G)."""

from pathlib import Path

import anyio
import orjson
import pytest

from router.errors import ModuleUnavailable
from router.gateway.access.modules import AlwaysReady
from router.gateway.fetching import Caller, Fetcher
from router.gateway.observe.metrics import Metrics
from router.gateway.observe.telemetry import trace_of
from router.gateway.served import Destination
from router.gateway.settings import Settings
from tests.router.gateway.world import PATIENT, until, world
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


class Breaking:
    """A server whose first connections break after the request was read."""

    def __init__(self, breaks: int) -> None:
        self.breaks = breaks
        self.requests = 0

    async def serve(self, stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            self.requests += 1
            if self.requests > self.breaks:
                await stream.send(b'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"data":{}}')


@pytest.mark.parametrize(
    ("breaks", "may_repeat", "requests", "answers"),
    [(1, True, 2, True), (2, True, 2, False), (1, False, 1, False)],
    ids=["once_more", "not_twice_more", "not_where_it_may_have_acted"],
)
async def test_a_request_whose_connection_broke_is_sent_once_more_where_that_is_safe(
    tmp_path: Path, breaks: int, may_repeat: bool, requests: int, answers: bool
) -> None:
    server = Breaking(breaks)
    fetcher = Fetcher(modules=AlwaysReady(), signer=None, metrics=Metrics(), settings=Settings(**PATIENT))
    caller = Caller(None, trace_of(None), may_repeat)
    async with anyio.create_task_group() as group, await anyio.create_unix_listener(tmp_path / "m.sock") as listener:
        group.start_soon(listener.serve, server.serve)
        asked = fetcher.graphql(
            Destination(f"unix:{tmp_path}/m.sock"), b"{}", subgraph="m", seconds=PATIENCE_S, caller=caller
        )
        if answers:
            assert await asked == b'{"data":{}}'
        else:
            with pytest.raises(ModuleUnavailable) as refused:
                await asked
            assert refused.value.was_sent
        assert server.requests == requests
        fetcher.close()
        group.cancel_scope.cancel()


async def test_more_than_a_router_can_hold_is_refused_with_503_and_retry_after(tmp_path: Path) -> None:
    async with world(tmp_path, requests_in_hand=1) as made:
        await made.start()
        async with anyio.create_task_group() as group:
            group.start_soon(made.graphql, "{ held }")
            await until(lambda: made.crm.tokens)

            refused = await made.post(orjson.dumps({"query": "{ tenant }"}))

            assert refused.status == 503
            assert refused.headers[b"retry-after"] == b"1"
            assert (await made.get("/health/live")).status == 200
            made.crm.release.set()
        assert (await made.graphql("{ tenant }"))[0] == 200
