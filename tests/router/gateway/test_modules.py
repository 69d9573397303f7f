"""Who may be sent to (contracts.md): the router goes by the states that the supervisor pushes, never by refusal."""

from pathlib import Path

import anyio
import pytest

from shared.wire.control import ModuleState
from tests.router.gateway.world import until, world

pytestmark = pytest.mark.anyio
QUERY = '{ deal(id: "1") { name invoices } }'
WHOLE = {"data": {"deal": {"name": "Deal 1", "invoices": ["INV-1"]}}}


async def test_a_query_is_answered_from_two_modules(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()

        assert await made.graphql(QUERY) == (200, WHOLE)


@pytest.mark.parametrize("state", ["stopped", "parked", "backoff", "draining"])
async def test_a_module_that_is_not_coming_is_an_error_at_once_and_the_rest_arrives(tmp_path: Path, state: str) -> None:
    async with world(tmp_path) as made:
        await made.start()
        made.supervisor.retry_after_ms = {"invoicing": 1500}
        await made.told("invoicing", ModuleState(state))

        with anyio.fail_after(made.settings.module_timeout_s / 2):
            status, body = await made.graphql(QUERY)

        assert status == 200
        assert body["data"] == {"deal": {"name": "Deal 1", "invoices": None}}
        (error,) = body["errors"]
        assert error["path"] == ["deal", "invoices"]
        assert error["extensions"] == {"code": "MODULE_UNAVAILABLE", "module": "invoicing", "retryAfterMs": 1500}
        assert made.invoicing.tokens == []


async def test_a_module_that_the_supervisor_does_not_name_is_not_available(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        del made.supervisor.states["invoicing"]
        await made.start()

        _, body = await made.graphql(QUERY)

        assert body["errors"][0]["extensions"] == {"code": "MODULE_UNAVAILABLE", "module": "invoicing"}


async def test_a_sleeping_module_is_woken_once_and_waited_for(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        await made.told("invoicing", ModuleState.ASLEEP)
        answers = []

        async def ask() -> None:
            answers.append(await made.graphql(QUERY))

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(ask)
            await until(lambda: made.supervisor.wakes)
            await made.told("invoicing", ModuleState.STARTING)
            assert answers == []
            await made.told("invoicing", ModuleState.READY)

        assert answers == [(200, WHOLE)] * 5
        assert made.supervisor.wakes == ["invoicing"]


async def test_a_start_that_fails_ends_the_wait(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        await made.told("invoicing", ModuleState.STARTING)
        bodies = []

        async def ask() -> None:
            bodies.append((await made.graphql(QUERY))[1])

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await until(lambda: made.crm.tokens)
            await made.told("invoicing", ModuleState.PARKED)

        assert bodies[0]["errors"][0]["extensions"]["code"] == "MODULE_UNAVAILABLE"


async def test_a_start_that_takes_too_long_is_a_missed_deadline(tmp_path: Path) -> None:
    async with world(tmp_path, module_timeout_s=0.2) as made:
        await made.start()
        await made.told("invoicing", ModuleState.STARTING)

        body = await made.until_alone_late(QUERY, "invoicing")

        assert body["data"]["deal"] == {"name": "Deal 1", "invoices": None}
        assert body["errors"][0]["extensions"] == {"code": "DEADLINE", "module": "invoicing"}


async def test_the_last_states_hold_while_the_supervisor_is_away_and_news_come_when_it_is_back(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        made.supervisor.states["invoicing"] = ModuleState.STOPPED

        before = await made.graphql(QUERY)
        await made.supervisor.drop_watchers()
        await made.until_known("invoicing", ModuleState.STOPPED)
        after = await made.graphql(QUERY)

        assert before == (200, WHOLE)
        assert after[1]["errors"][0]["extensions"]["code"] == "MODULE_UNAVAILABLE"


async def test_a_module_that_died_without_notice_is_an_error_that_names_no_address(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        await made.graphql(QUERY)
        await made.stop("invoicing")

        _, body = await made.graphql(QUERY)

        assert body["data"]["deal"]["name"] == "Deal 1"
        (error,) = body["errors"]
        assert error["extensions"] == {"code": "MODULE_UNAVAILABLE", "module": "invoicing"}
        assert error["message"] == "invoicing does not answer at the moment."


async def test_a_gateway_is_ready_only_when_it_knows_the_states(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        await made.stop("gateway")
        made.supervisor.is_mute = True

        await made.start_gateway(wait=False)

        assert (await made.get("/health/live")).body == b'{"status":"live"}'
        assert (await made.get("/health/ready")).status == 503
        made.supervisor.is_mute = False
        await made.supervisor.set("crm", ModuleState.READY)
        await made.ready()
