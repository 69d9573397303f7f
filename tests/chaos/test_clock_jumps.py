"""The clocks of our processes jump an hour, ahead and back, under load: nothing is lost, doubled or out of order."""

import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from benchmarks.chaos import MODULES
from benchmarks.chaos_ledger import compare
from benchmarks.chaos_load import Clients, Token
from mewayz.compose import compose_modules
from tests.services import Platform
from tests.waiting import set_clock

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240), pytest.mark.xdist_group("outages")]
_HOUR_S = 3600


async def test_a_jump_of_the_clock_costs_a_sign_in_and_nothing_else(tmp_path: Path) -> None:
    """events.md, G: leases and deadlines are PostgreSQL's and the kernel's; tokens are of the clock, and are renewed"""
    clock = tmp_path / "clock"
    set_clock(clock, 0)
    assert not compose_modules(check=False, into=tmp_path / "schema", modules_from=[str(MODULES)])
    supergraph = str(tmp_path / "schema" / "supergraph.graphql")
    arguments = ["--modules", "identity,journal,teller", "--supergraph", supergraph, "--clock", f"file:{clock}"]
    platform = Platform(tmp_path / "data", *arguments, "--demo-scale", "0", modules_from=[MODULES], demo=True)
    await anyio.to_thread.run_sync(lambda: platform.start(timeout_s=120))
    try:
        token = Token(platform)
        clients = Clients(platform, token)
        await clients.open_accounts()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(clients.run)
            for seconds in (0, _HOUR_S, 0, -_HOUR_S, 0):
                set_clock(clock, seconds)
                token.forget()
                acked = len(clients.acked)
                await _until(lambda acked=acked: len(clients.acked) > acked + 60)
            clients.stop()
        ledger = await compare(platform, clients)
    finally:
        await anyio.to_thread.run_sync(platform.stop)

    assert ledger["written"] == ledger["applied"] == len(clients.acked)
    assert {name: ledger[name] for name in ("lost", "twice", "out_of_order", "waiting")} == {
        "lost": 0,
        "twice": 0,
        "out_of_order": 0,
        "waiting": 0,
    }


async def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "commands don't get through"
        await anyio.sleep(0.1)
