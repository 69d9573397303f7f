"""Permits: whether a command that waited may be executed now, and with which rights (events.md, D)."""

from pathlib import Path

import anyio
import orjson
import pytest

from shared.clock import SystemClock
from shared.wire.principal import Principal
from shared.wire.receipt import Permit, Status
from shared.wire.token import verify_internal
from tests.modules import until
from tests.router.gateway.shop import Shop, shop
from tests.router.gateway.world import TENANT, USER
from tests.services import NatsServer
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


async def allowed(made: Shop, receipt: str, permit: Permit) -> Principal:
    """Return whom a permit lets execute a command, as its module verifies it."""
    assert permit.token is not None
    _, body = await made.command(receipt)
    keys = {made.world.router_key.kid: made.world.router_key.public}
    return verify_internal(permit.token, keys, audience="shop", body=body, clock=SystemClock()).principal


async def test_a_permit_is_a_token_for_this_command_with_the_rights_of_now(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    async with shop(tmp_path, nats_server) as made:
        receipt = await made.queued("tea")
        permit = await made.permit(receipt)

        caller = await allowed(made, receipt, permit)
        assert caller.permissions == ("shop.order.write",)
        assert caller.address == "127.0.0.1"  # for the audit log: where the command was sent from
        assert (await made.permit(receipt)).token is not None  # a module that died asks again


async def test_without_rights_there_is_no_permit(tmp_path: Path, nats_server: NatsServer) -> None:
    """Threat 27"""
    async with shop(tmp_path, nats_server) as made:
        receipt = await made.queued("tea")
        made.world.identity.routes["/auth/standing"] = lambda _: (403, [], b"")

        assert await made.permit(receipt) == Permit(status=Status.REJECTED)
        assert await made.receipt(receipt) == {
            "id": receipt,
            "status": "REJECTED",
            "userErrors": [{"code": "FORBIDDEN"}],
        }


async def test_a_module_gets_no_permit_for_what_does_not_wait_for_it(tmp_path: Path, nats_server: NatsServer) -> None:
    async with shop(tmp_path, nats_server) as made:
        assert await made.permit(str(USER)) == Permit()


async def test_a_command_that_waited_too_long_expires(tmp_path: Path, nats_server: NatsServer) -> None:
    async with shop(tmp_path, nats_server) as made:
        unseen, seen = await made.queued("tea", field="hurry"), await made.queued("milk", field="hurry")
        await anyio.sleep(1.1)

        assert await made.permit(unseen) == Permit(status=Status.EXPIRED)
        assert await made.receipt(unseen) == {"id": unseen, "status": "EXPIRED", "userErrors": [{"code": "EXPIRED"}]}
        assert (await made.receipt(seen))["status"] == "EXPIRED"
        assert await made.permit(seen) == Permit(status=Status.EXPIRED)


async def test_of_taking_back_and_beginning_the_first_wins(tmp_path: Path, nats_server: NatsServer) -> None:
    cancel = "mutation($id: ID!) { cancelReceipt(id: $id) { receipt { status } userErrors { code } } }"
    async with shop(tmp_path, nats_server) as made:
        first, second = await made.queued("tea"), await made.queued("milk")
        await made.permit(second)

        _, taken_back = await made.world.graphql(cancel, {"id": first})
        _, too_late = await made.world.graphql(cancel, {"id": second})

        assert taken_back["data"]["cancelReceipt"] == {"receipt": {"status": "CANCELLED"}, "userErrors": []}
        assert await made.permit(first) == Permit(status=Status.CANCELLED)
        assert too_late["data"]["cancelReceipt"]["userErrors"] == [{"code": "ILLEGAL_STATE"}]


async def test_rights_that_end_after_the_permit_leave_only_the_answer_of_what_was_executed(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    """Its module had died with the permit: nobody executed it or said so, and its receipt was QUEUED for ever"""
    async with shop(tmp_path, nats_server) as made:
        receipt = await made.queued("tea")
        assert (await made.permit(receipt)).token is not None
        made.world.identity.routes["/auth/standing"] = lambda _: (403, [], b"")

        async def has_no_rights() -> bool:  # they are known for a second
            return not (await allowed(made, receipt, await made.permit(receipt))).permissions

        await until(has_no_rights)
        assert (await allowed(made, receipt, await made.permit(receipt))).user == USER


async def test_a_key_that_is_no_longer_for_the_module_has_no_permit(tmp_path: Path, nats_server: NatsServer) -> None:
    """Whoever sent it directly was NOT_ENTITLED; what waited was executed"""
    async with shop(tmp_path, nats_server) as made:
        receipt = await made.queued("tea")
        standing = {"tenant": str(TENANT), "user": str(USER), "permissions": ["*"], "modules": ["crm"]}
        made.world.identity.routes["/auth/standing"] = lambda _: (200, [], orjson.dumps(standing))

        assert await made.permit(receipt) == Permit(status=Status.REJECTED)


async def test_many_permits_of_one_caller_ask_identity_once(
    tmp_path: Path, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.gateway.commands.permits._FRESH_S", PATIENCE_S)
    async with shop(tmp_path, nats_server) as made:
        receipts = [await made.queued(f"tea {number}") for number in range(16)]
        asked: list[object] = []
        answer = made.world.identity.routes["/auth/standing"]
        made.world.identity.routes["/auth/standing"] = lambda request: (asked.append(request), answer(request))[1]
        permits: list[Permit] = []

        async def ask(receipt: str) -> None:
            permits.append(await made.permit(receipt))

        async with anyio.create_task_group() as tasks:
            for receipt in receipts:
                tasks.start_soon(ask, receipt)

        assert all(permit.token for permit in permits)
        assert len(asked) == 1
