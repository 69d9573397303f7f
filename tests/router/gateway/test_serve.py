"""A router as a process of its own: signals, a taken port, and the plain router."""

import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import msgspec
import orjson
import pytest
from anyio.abc import Process

from router.execution.transport import Transport, TransportError
from router.gateway.app import make_plain_app
from router.gateway.settings import Settings
from tests.router.gateway.world import World, world
from tests.services import free_port
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
ROUTER = (
    "import sys, msgspec; from shared.wire.bootstrap import RouterBootstrap; from router.gateway.serving import serve; "
)
ROUTER += "serve(msgspec.json.decode(sys.stdin.buffer.read(), type=RouterBootstrap))"
PLAIN = "import sys; from pathlib import Path; from router.gateway.serving import serve_plain; "
PLAIN += "serve_plain(Path(sys.argv[1]), port=int(sys.argv[2]))"


@asynccontextmanager
async def _router(made: World, port: int, *, waits: bool = True) -> AsyncIterator[Process]:
    """Run a router process on `port`, in the place of the world's own gateway; wait until it is ready, unless told not to."""
    bootstrap = msgspec.json.encode(msgspec.structs.replace(made.bootstrap(), port=port))
    async with await anyio.open_process([sys.executable, "-c", ROUTER], cwd=Path.cwd()) as process:
        assert process.stdin
        await process.stdin.send(bootstrap)
        await process.stdin.aclose()
        made.url = f"http://127.0.0.1:{port}"
        if waits:
            await _answering(made, "/health/ready")
        yield process
        if process.returncode is None:
            process.kill()


async def _answering(made: World, path: str) -> None:
    with anyio.fail_after(PATIENCE_S):
        while True:
            try:
                if (await made.get(path)).status == 200:
                    return
            except TransportError:
                pass
            await anyio.sleep(0.02)


async def test_a_router_process_answers_reloads_on_hangup_and_ends_well_on_sigterm(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        async with _router(made, free_port()) as process:
            status, body = await made.graphql('{ deal(id: "1") { name invoices } }')
            process.send_signal(signal.SIGHUP)
            again, _ = await made.graphql("{ tenant }")
            process.send_signal(signal.SIGTERM)
            with anyio.fail_after(PATIENCE_S):
                ended = await process.wait()

        assert (status, again, ended) == (200, 200, 0)
        assert body == {"data": {"deal": {"name": "Deal 1", "invoices": ["INV-1"]}}}


async def test_a_taken_port_is_an_error_that_names_it(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        made.write_supergraph()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            command = [sys.executable, "-c", PLAIN, str(tmp_path / "supergraph.graphql"), str(taken.getsockname()[1])]
            with anyio.fail_after(PATIENCE_S):
                ended = await anyio.run_process(command, check=False)

        assert ended.returncode == 1
        assert b"Address already in use" in ended.stderr


async def test_a_plain_router_needs_no_token_and_sends_none(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        made.write_supergraph()
        made.crm.keys.clear()
        foreign = await made.serve("foreign", made.crm, host="127.0.0.1", port=0)
        port = foreign.servers[0].sockets[0].getsockname()[1]
        path = tmp_path / "supergraph.graphql"
        path.write_text(path.read_text().replace("module:crm", f"http://127.0.0.1:{port}/graphql"))
        plain = await made.serve("plain", make_plain_app(path, Settings()), host="127.0.0.1", port=0, lifespan="on")
        url = f"http://127.0.0.1:{plain.servers[0].sockets[0].getsockname()[1]}/graphql"

        reply = await Transport().request(
            url,
            headers=(("content-type", "application/json"),),
            body=orjson.dumps({"query": '{ __typename deal(id: "1") { name } }'}),
            until=anyio.current_time() + PATIENCE_S,
        )

        assert (made.crm.refused, made.crm.tokens) == (1, [])
        assert b"authorization" not in made.crm.last_headers
        answer = orjson.loads(reply.body)
        assert answer["data"] == {"__typename": "Query", "deal": None}
        assert answer["errors"][0]["extensions"]["code"] == "INTERNAL"


async def test_a_defect_of_ours_is_500_with_a_reference_and_no_more(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        made.gateway.served.now = None  # pyright: ignore[reportAttributeAccessIssue] what can't happen has happened

        status, body = await made.graphql("{ tenant }")

        (error,) = body["errors"]
        assert (status, error["extensions"]) == (500, {"code": "INTERNAL"})
        assert error["message"].startswith("Something went wrong. Reference: ")
