"""Deadlines, departures and endings: what is cancelled, what never is, and what is swapped under way."""

from pathlib import Path

import anyio
import orjson
import pytest

from router.composition import Subgraph, compose
from router.gateway.served import ServedGraph
from tests.router.gateway.module import CRM
from tests.router.gateway.test_subscriptions import INIT, Raw
from tests.router.gateway.world import World, until, world

pytestmark = pytest.mark.anyio


async def _ask_and_leave(made: World, query: str, accept: str = "application/json") -> None:
    """Send an operation, wait until crm has it, and close the connection without reading an answer."""
    body = orjson.dumps({"query": query})
    head = f"POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {made.token()}\r\n"
    head += f"accept: {accept}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    async with await anyio.connect_tcp("127.0.0.1", int(made.url.rpartition(":")[2])) as stream:
        await stream.send(head.encode() + body)
        await until(lambda: made.crm.tokens)


async def test_a_slow_module_costs_its_own_part_only(tmp_path: Path) -> None:
    async with world(tmp_path, module_timeout_s=0.3) as made:
        await made.start()

        body = await made.until_alone_late("{ slow(seconds: 60) invoiceCount }", "crm")

        assert body["data"] == {"slow": None, "invoiceCount": None}
        (error,) = body["errors"]
        assert (error["path"], error["extensions"]) == (["slow"], {"code": "DEADLINE", "module": "crm"})


async def test_a_query_ends_when_its_client_goes(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()

        await _ask_and_leave(made, "{ slow(seconds: 60) }")

        await until(lambda: made.crm.cancelled)
        assert made.crm.done == []


@pytest.mark.parametrize(
    ("accept", "query"),
    [
        ("application/json", "mutation { close(seconds: 0.3) { name invoices } }"),
        ("text/event-stream", "mutation { close(seconds: 0.3) { name invoices } }"),
        ("multipart/mixed", "mutation { close(seconds: 0.3) { name ... @defer { invoices } } }"),
    ],
)
async def test_a_mutation_runs_to_its_end_when_its_client_goes(tmp_path: Path, accept: str, query: str) -> None:
    async with world(tmp_path) as made:
        await made.start()

        await _ask_and_leave(made, query, accept)

        await until(lambda: made.invoicing.tokens)
        assert made.crm.done == ["close"]


async def test_a_mutation_on_a_socket_runs_to_its_end_when_it_is_completed(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        client = await Raw.open(made.url.removeprefix("http://"))
        client.say({**INIT, "payload": {"authorization": f"Bearer {made.token()}"}})
        assert await client.hear() == {"type": "connection_ack"}

        client.say(
            {"id": "1", "type": "subscribe", "payload": {"query": "mutation { close(seconds: 0.3) { invoices } }"}}
        )
        await until(lambda: made.crm.tokens)
        client.say({"id": "1", "type": "complete"})

        await until(lambda: made.invoicing.tokens)
        client.writer.close()


async def test_shutdown_lets_requests_in_flight_finish(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        answers = []

        async def ask() -> None:
            answers.append(await made.graphql("{ slow(seconds: 0.4) }"))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await until(lambda: made.crm.tokens)
            await made.stop("gateway")

        assert answers == [(200, {"data": {"slow": "at last"}})]


async def test_more_than_a_module_can_take_is_overloaded_and_says_when_to_come_back(tmp_path: Path) -> None:
    async with world(tmp_path, module_concurrency=2, module_queue=1) as made:
        await made.start()
        bodies = []

        async def ask() -> None:
            bodies.append((await made.graphql("{ held }"))[1])

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(ask)
            await until(lambda: len(bodies) == 2)
            made.crm.release.set()

        refused = [body["errors"][0]["extensions"] for body in bodies if "errors" in body]
        assert refused == [{"code": "OVERLOADED", "module": "crm", "retryAfterMs": 500}] * 2


async def test_a_new_supergraph_is_swapped_in_and_a_broken_one_refused(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        (tmp_path / "supergraph.graphql").write_text("type Query {")

        assert not await made.gateway.served.reload()
        assert (await made.graphql("{ tenant }"))[0] == 200
        made.crm.sdl = CRM.replace("tenant: String!", "tenant: String! added: Int")
        before = made.gateway.served.now
        made.write_supergraph()

        await until(lambda: made.gateway.served.now is not before)
        status, body = await made.graphql('{ __type(name: "Query") { fields { name } } }')
        assert status == 200
        assert "added" in {field["name"] for field in body["data"]["__type"]["fields"]}


async def test_a_request_under_way_ends_on_the_graph_it_began_with_and_the_new_one_knows_its_plan(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as made:
        await made.start()
        served = made.gateway.served
        old = served.now
        answers: list[object] = []

        async def ask() -> None:
            answers.append(await made.graphql("{ held }"))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await until(lambda: any("held" in one[0] for one in old.graph.operations()))
            made.crm.sdl = CRM.replace("tenant: String!", "tenant: String! added: Int")
            made.write_supergraph()
            assert await served.reload()
            assert answers == []
            assert served.now is not old
            assert any("held" in one[0] for one in served.now.graph.operations())
            made.crm.release.set()

        [(status, body)] = answers
        assert (status, "errors" in body) == (200, False)


async def test_stored_operations_are_planned_before_the_first_request_and_again_at_a_reload(tmp_path: Path) -> None:
    sdl = compose([Subgraph("a", "http://a", "type Query { a(x: Int): Int b: Int }")]).sdl
    path, stored = tmp_path / "supergraph.graphql", tmp_path / "operations"
    path.write_text(sdl or "")
    stored.mkdir()
    (stored / "a.graphql").write_text("query A($x: Int) { a(x: $x) }")
    (stored / "gone.graphql").write_text("{ nope }")

    served = ServedGraph(path, data=tmp_path)
    assert [one[0] for one in served.now.graph.operations()] == ["query A($x: Int) { a(x: $x) }"]

    (stored / "manifest.json").write_text('{"operations": [{"id": "1", "name": "B", "body": "{ b }"}]}')
    assert await served.reload()
    assert {"query A($x: Int) { a(x: $x) }", "{ b }"} == {one[0] for one in served.now.graph.operations()}

    (stored / "manifest.json").write_text("[1]")
    assert await served.reload()
    assert "{ b }" in {one[0] for one in served.now.graph.operations()}, "known from before"
