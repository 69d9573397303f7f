"""`mewayz top` shows what really happens: requests, fetches, events; as JSON once, and on a terminal until Ctrl-C."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from nats.aio.client import Client

from mewayz.folders import folders_of
from mewayz.top import show
from tests.stories.world import F0, World
from tests.waiting import PATIENCE_S

_COUNTED = {"total", "perSecond", "failedPerSecond", "meanMs"}


def test_one_look_counts_the_requests_fetches_and_events_of_its_interval(lumen: F0) -> None:
    platform = lumen.world.platform
    lumen.ask("{ deals(first: 1) { nodes { id } } }")
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(platform.run, "top", "--once", "--json", "--interval", "4")
        while not looking.done():
            lumen.open_deal()
        load = json.loads(looking.result().stdout)

    crm = next(one for one in load["modules"] if one["name"] == "crm")
    assert load["requests"]["perSecond"] > 0
    assert load["events"]["perSecond"] > 0
    assert set(crm["fetches"]) == _COUNTED
    assert crm["fetches"]["perSecond"] > 0
    assert crm["fetches"]["meanMs"] > 0
    assert crm["state"] == "ready"
    assert crm["memoryMb"] > 1


def test_on_a_terminal_it_renews_itself_until_ctrl_c(world: World) -> None:
    terminal, inner = pty.openpty()
    command = [sys.executable, "-m", "mewayz", "top", "--interval", "0.2", "--data", str(world.platform.data)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}  # noqa: TID251
    process = subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, env=environment)
    os.close(inner)
    seen = b""
    end = time.monotonic() + PATIENCE_S
    while seen.count(b"invoicing") < 2 and time.monotonic() < end:
        seen += os.read(terminal, 1 << 16)

    process.send_signal(signal.SIGINT)
    try:
        while os.read(terminal, 1 << 16):
            pass
    except OSError:  # the terminal's other end is closed
        pass

    assert process.wait(PATIENCE_S) == 0
    assert seen.count(b"invoicing") >= 2, seen
    assert b"requests" in seen


@pytest.mark.anyio
async def test_ctrl_c_counts_also_where_it_comes_while_something_is_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nats-py keeps a cancellation to itself that comes while it writes: the view went on"""
    is_writing = asyncio.Event()
    flush = Client._flush_pending

    async def write(self: Client, *args: Any, **more: Any) -> None:
        if asyncio.current_task() is looking and not is_writing.is_set():
            is_writing.set()
            with suppress(asyncio.CancelledError):  # as nats-py does
                await asyncio.sleep(PATIENCE_S)
        await flush(self, *args, **more)

    folders = folders_of(world.platform.data)
    looking = asyncio.ensure_future(show(folders, interval_s=0.01, once=False, as_json=True))
    monkeypatch.setattr(Client, "_flush_pending", write)
    await is_writing.wait()

    looking.cancel()
    await asyncio.wait([looking], timeout=PATIENCE_S / 2)

    assert looking.cancelled()
