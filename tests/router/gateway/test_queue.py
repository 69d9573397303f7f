"""The gateway's side of queued commands, over a real JetStream; the module is the test itself (events.md, D)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import anyio
import msgspec
import orjson
import pytest
from nats.aio.client import Client

from mewayz.servers.nats import GATEWAY
from router.gateway.commands import store
from router.gateway.commands.reasons import CANCELLED, REUSED, UNKNOWN, kept, shown
from router.gateway.commands.store import ReceiptStore
from shared.clock import new_id
from shared.wire.control import ModuleState
from shared.wire.jetstream import connect
from shared.wire.receipt import Reason, Settled, Status
from tests.router.gateway.module import Module
from tests.router.gateway.shop import PLACE, TWO, shop, unheard
from tests.router.gateway.world import TENANT, USER
from tests.services import NatsServer
from tests.waiting import PATIENCE_S, is_refused, jetstream

pytestmark = pytest.mark.anyio


async def test_a_command_that_waits_has_its_operation_and_its_callers_signed_claims(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    async with shop(tmp_path, nats_server) as made:
        receipt = await made.queued("tea")
        command, _ = await made.command(receipt)

        assert " ".join(command.operation.split()) == (
            "mutation ($what: String!, $key: String) { place(input: { what: $what, idempotencyKey: $key }) "
            "{ userErrors { code message field } receipt { id status } } }"
        )
        assert command.variables == {"what": "tea", "key": None}
        assert command.user == USER
        assert "Bearer" not in command.actor
        assert made.world.token() not in command.actor


async def test_the_answer_has_the_shape_that_was_asked_for(tmp_path: Path, nats_server: NatsServer) -> None:
    async with shop(tmp_path, nats_server) as made:
        body = await made.place("tea", selection="__typename o: order { what } r: receipt { __typename s: status }")

        assert body == {
            "data": {"place": {"__typename": "PlacePayload", "o": None, "r": {"__typename": "Receipt", "s": "QUEUED"}}}
        }


async def test_two_fields_of_one_operation_wait_each_with_its_own_receipt(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    async with shop(tmp_path, nats_server) as made:
        query = """mutation {
          a: place(input: {what: "tea"}) { receipt { id status } }
          b: place(input: {what: "milk"}) { receipt { id status } }
        }"""
        _, body = await made.world.graphql(query)

        first, second = body["data"]["a"]["receipt"], body["data"]["b"]["receipt"]
        assert first["status"] == second["status"] == "QUEUED"
        assert (await made.command(first["id"]))[0].input_hash != (await made.command(second["id"]))[0].input_hash


async def test_a_field_that_may_not_wait_is_unavailable(tmp_path: Path, nats_server: NatsServer) -> None:
    async with shop(tmp_path, nats_server) as made:
        body = await made.place("letters", field="burn")

        assert body["errors"][0]["extensions"]["code"] == "MODULE_UNAVAILABLE"


async def test_the_same_key_is_the_same_receipt_and_with_other_input_an_error(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    async with shop(tmp_path, nats_server) as made:
        receipt = await made.queued("tea", "K")

        assert await made.queued("tea", "K") == receipt
        body = await made.place("milk", "K")
        assert body["data"]["place"]["userErrors"] == [{"code": "IDEMPOTENCY_KEY_REUSED"}]
        assert body["data"]["place"]["receipt"]["status"] == "FAILED"


async def test_a_command_is_kept_until_a_day_after_it_expires(tmp_path: Path, nats_server: NatsServer) -> None:
    """After 24 hours it was gone, whatever its ttl: nobody executed it, and its receipt was unknown"""
    async with shop(tmp_path, nats_server) as made:
        command, _ = await made.command(await made.queued("tea", field="ponder"))
        kept_s = (await jetstream(made.admin).stream_info("COMMANDS")).config.max_age

        waits = command.expires_at - command.queued_at
        assert kept_s is not None
        assert timedelta(seconds=kept_s) >= waits + timedelta(days=1) == timedelta(days=2)


async def test_a_full_queue_takes_no_more(tmp_path: Path, nats_server: NatsServer) -> None:
    async with shop(tmp_path, nats_server, queued_per_tenant=2) as made:
        receipt = await made.queued("tea", "full")
        await made.queued("milk")

        body = await made.place("sugar")
        assert await made.queued("tea", "full") == receipt, "one that waits already needs no room"

        assert body["errors"][0]["extensions"]["code"] == "QUEUE_FULL"


async def test_of_several_fields_all_wait_or_none(tmp_path: Path, nats_server: NatsServer) -> None:
    """The first one waited, and was executed; its sender was told QUEUE_FULL and no receipt"""
    async with shop(tmp_path, nats_server, queued_per_tenant=1) as made:
        _, body = await made.world.graphql(TWO)

        assert body["errors"][0]["extensions"]["code"] == "QUEUE_FULL"
        assert (await made.world.graphql("{ receipts { id } }"))[1]["data"]["receipts"] == []


async def test_where_jetstream_takes_only_one_of_several_fields_none_waits(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    """The first was acknowledged, and executed; its sender was told only that the second was refused"""
    async with shop(tmp_path, nats_server) as made, room_for(made.admin, 1):
        _, body = await made.world.graphql(TWO)

        assert body["errors"][0]["extensions"]["code"] == "MODULE_UNAVAILABLE"
        assert (await made.world.graphql("{ receipts { id } }"))[1]["data"]["receipts"] == []


async def test_a_repeated_field_and_a_new_one_are_both_answered(tmp_path: Path, nats_server: NatsServer) -> None:
    async with shop(tmp_path, nats_server) as made:
        receipt = await made.queued("tea", "again")
        query = """mutation {
          a: place(input: {what: "tea", idempotencyKey: "again"}) { receipt { id status } }
          b: place(input: {what: "milk", idempotencyKey: "again"}) { userErrors { code } }
          c: place(input: {what: "milk", idempotencyKey: "new"}) { receipt { id status } }
          d: place(input: {what: "milk", idempotencyKey: "new"}) { receipt { id status } }
        }"""
        _, body = await made.world.graphql(query)

        assert body["data"]["a"]["receipt"] == {"id": receipt, "status": "QUEUED"}
        assert body["data"]["b"]["userErrors"] == [{"code": "IDEMPOTENCY_KEY_REUSED"}]
        assert body["data"]["c"] == body["data"]["d"]
        assert (await made.receipt(body["data"]["c"]["receipt"]["id"]))["status"] == "QUEUED"


async def test_a_command_whose_acknowledgement_was_lost_has_its_receipt(
    tmp_path: Path, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was said to be unavailable, and was executed when its module came back"""
    async with shop(tmp_path, nats_server) as made:
        monkeypatch.setattr("router.gateway.commands.store.publish_first", unheard(store.publish_first))
        _, body = await made.world.graphql(TWO)

        receipts = (await made.world.graphql("{ receipts { id } }"))[1]["data"]["receipts"]
        assert {body["data"][field]["receipt"]["id"] for field in ("a", "b")} == {one["id"] for one in receipts}


async def test_what_waits_is_told_also_where_a_later_field_fails(tmp_path: Path, nats_server: NatsServer) -> None:
    """Its payload may not be null: the whole answer was, and what would be executed had no receipt"""
    async with shop(tmp_path, nats_server) as made:
        _, body = await made.world.graphql('mutation { a: place(input: {what: "tea"}) { receipt { id } } ring }')

        assert body["data"] is None
        assert body["errors"][0]["extensions"]["code"] == "MODULE_UNAVAILABLE"
        told = body["extensions"]["receipts"]["a"]
        assert told["status"] == (await made.receipt(told["id"]))["status"] == "QUEUED"


async def test_what_the_gateway_says_is_in_the_readers_language(tmp_path: Path, nats_server: NatsServer) -> None:
    cancel = (
        "mutation($id: ID!) { cancelReceipt(id: $id) { receipt { userErrors { message } } userErrors { message } } }"
    )
    words = "userErrors { message }"
    nobodys = "0199aaaa-0000-7000-8000-000000000000"
    async with shop(tmp_path, nats_server) as made:
        told: dict[str, list[str]] = {}
        receipt = await made.queued("tea", "key")
        for locale in ("en", "zh-CN"):
            token = made.world.token(locale=locale)
            _, reused = await made.world.graphql(PLACE % ("place", words), {"what": "milk", "key": "key"}, token=token)
            _, unknown = await made.world.graphql(cancel, {"id": nobodys}, token=token)
            _, taken_back = await made.world.graphql(cancel, {"id": receipt}, token=token)
            told[locale] = [
                reused["data"]["place"]["userErrors"][0]["message"],
                unknown["data"]["cancelReceipt"]["userErrors"][0]["message"],
                taken_back["data"]["cancelReceipt"]["receipt"]["userErrors"][0]["message"],
            ]

        assert told["en"] == [REUSED, UNKNOWN.format(id=nobodys), CANCELLED]
        assert told["zh-CN"] == [
            "该幂等键已用于其他输入：请换用新的幂等键。",
            f"您没有编号为 {nobodys} 的回执。",
            "该命令在执行前已被撤回。",
        ]


def test_a_modules_own_words_are_not_ours() -> None:
    ours = kept("EXPIRED", module="crm")
    theirs = Reason(code="FORBIDDEN", message="You may not do this.")

    assert shown(ours, "crm", "zh")["message"] == "crm 未能及时恢复，未执行任何操作。请重新发送。"
    assert shown(kept("FORBIDDEN"), "crm", "zh")["message"] == "在命令执行之前，您的权限已被收回。"
    assert shown(theirs, "crm", "zh")["message"] == theirs.message


async def test_a_subscription_tells_what_became_of_a_command(tmp_path: Path, nats_server: NatsServer) -> None:
    async with shop(tmp_path, nats_server) as made:
        query = "subscription($id: ID!) { receiptChanged(id: $id) { id status } }"
        told = ["EXPIRED"]
        while told == ["EXPIRED"]:  # a busy machine needs longer than the second that it may wait, now and then
            body = {"query": query, "variables": {"id": await made.queued("tea", field="hurry")}}
            reply = await made.world.post(orjson.dumps(body), headers={"accept": "text/event-stream"})
            lines = [line.removeprefix(b"data: ") for line in reply.body.splitlines() if line.startswith(b"data: {")]
            told = [orjson.loads(line)["data"]["receiptChanged"]["status"] for line in lines]

        assert told == ["QUEUED", "EXPIRED"]


async def test_a_subscription_finds_out_what_it_did_not_hear(
    tmp_path: Path, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NATS was started again: the news came before the gateway was back, and the subscriber waited until the end of the ttl"""
    monkeypatch.setattr("router.gateway.commands.subgraph._LOOK_S", 0.05)
    monkeypatch.setattr(ReceiptStore, "changes", _deaf)
    async with shop(tmp_path, nats_server) as made:
        receipt = await made.queued("tea")
        query = "subscription($id: ID!) { receiptChanged(id: $id) { status } }"
        body = orjson.dumps({"query": query, "variables": {"id": receipt}})
        replies: list[bytes] = []

        async def listen() -> None:
            reply = await made.world.post(body, headers={"accept": "text/event-stream"})
            replies.append(reply.body)

        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen)
                cancel = "mutation($id: ID!) { cancelReceipt(id: $id) { receipt { status } } }"
                await made.world.graphql(cancel, {"id": receipt})

        assert b"CANCELLED" in replies[0]


@asynccontextmanager
async def room_for(admin: Client, commands: int) -> AsyncIterator[None]:
    """Let stream COMMANDS hold so few messages while the block runs."""
    streams = jetstream(admin)
    config = (await streams.stream_info("COMMANDS")).config
    await streams.update_stream(config, max_msgs=commands)
    try:
        yield
    finally:
        await streams.update_stream(config)


@asynccontextmanager
async def _deaf(*_: object) -> AsyncIterator[asyncio.Queue[Settled]]:
    yield asyncio.Queue()


async def test_while_commands_wait_for_a_module_that_came_back_later_ones_wait_behind_them(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    async with shop(tmp_path, nats_server) as made:
        await made.queued("tea")
        await made.world.start_module(Module("shop", "type Query { shop: String }", made.world.router_key))
        await made.world.told("shop", ModuleState.READY)

        await made.queued("milk")


async def test_many_receipts_are_listed_the_newest_first(tmp_path: Path, nats_server: NatsServer) -> None:
    async with shop(tmp_path, nats_server) as made:
        command, _ = await made.command(await made.queued("tea"))
        for number in range(300):
            receipt = new_id(command.queued_at)
            settled = msgspec.structs.replace(
                command.settled(Status.DONE, command.queued_at),
                receipt=receipt,
                queued_at=command.queued_at + timedelta(seconds=number - 300),
            )
            await jetstream(made.admin).publish(f"cmdres.{TENANT}.{receipt}", msgspec.json.encode(settled))

        _, body = await made.world.graphql(
            "{ receipts(first: 3) { id status } done: receipts(filter: {status: [DONE]}, first: 100) { id }"
            " unsaid: receipts(first: null) { id } }"
        )

        assert body["data"]["receipts"][0] == {"id": str(command.receipt), "status": "QUEUED"}
        assert body["data"]["receipts"][1]["id"] == str(receipt)
        assert (len(body["data"]["done"]), len(body["data"]["unsaid"])) == (100, 50)


async def test_the_gateways_user_may_not_read_or_delete_what_is_not_its_own(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    async with shop(tmp_path, nats_server):
        user, password = nats_server.nats.credentials(GATEWAY)
        client = await connect(nats_server.url, user=user, password=password, name=GATEWAY)
        for subject in ("$JS.API.STREAM.DELETE.COMMANDS", "$JS.API.DIRECT.GET.EVENTS.evt.x", "evt.x.deal.close.won"):
            assert await is_refused(client, subject)
        await client.close()
