"""Modules sleep until they are needed (architecture.md, "One command"): woken by requests, events and due work."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from tests.services import Platform
from tests.stories.world import World
from tests.waiting import until

pytestmark = [pytest.mark.xdist_group("activation")]

_MODULE = """
from shared.module import Module
from subgraphs.{slug} import part

module = Module({slug!r}, name={slug!r}, area="Test", parts=(part,))
"""
_PARTS = {
    "plain": "",
    "clocked": """
from shared.database.transaction import Transaction
from shared.events.schedule import every


@every("1h")
async def work(tx: Transaction) -> None:
    pass
""",
    "hearing": """
from shared.database.transaction import Transaction
from shared.events.handler import on
from shared.wire.envelope import Event


class Heard(Event, type="deal.close.won"):
    pass


@on("deal.close.won")
async def hear(tx: Transaction, event: Heard) -> None:
    pass
""",
    "deadly": """
import os
import setproctitle

if "zygote" in setproctitle.getproctitle():
    os._exit(7)
""",
}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A lazy platform whose modules sleep after a second.

    One does nothing, one has scheduled work, one hears an event, one would end the zygote that loads it.
    """
    folder = tmp_path_factory.mktemp("modules")
    for slug, part in _PARTS.items():
        (folder / slug / "migrations").mkdir(parents=True)
        (folder / slug / "__init__.py").write_text(_MODULE.format(slug=slug))
        (folder / slug / "part.py").write_text(part)
    data = tmp_path_factory.mktemp("data")
    limits = ("--lazy", "--idle", "1")
    running = Platform(data, "--modules", ",".join(_PARTS), *limits, modules_from=[folder])
    running.start(until="step=modules")
    yield running
    assert running.stop() == 0


def test_modules_without_anything_to_do_sleep_after_the_first_start(platform: Platform) -> None:
    until(lambda: _states(platform) == {"asleep"})

    assert {module["pid"] for module in platform.status()["modules"]} == {None}


def test_a_request_wakes_a_sleeping_module_and_is_answered(platform: Platform) -> None:
    until(lambda: _states(platform) == {"asleep"})

    answer = _answer(platform, "plain")

    assert answer.startswith(b"HTTP/1.1 401")  # it has no token


def test_an_event_wakes_the_module_that_hears_it_and_no_other(platform: Platform) -> None:
    """contracts.md, "Processes": JetStream is asked who has a backlog"""
    until(lambda: _states(platform) == {"asleep"})
    pid_before = platform.module("hearing")["pid"]

    place = _publish(platform)

    until(lambda: World(platform).has_heard("hearing", place))
    assert pid_before is None
    assert platform.module("plain")["state"] == "asleep"


def test_events_that_came_while_the_platform_was_down_wake_their_module_at_its_start(platform: Platform) -> None:
    """Issue 4: at start every module with a backlog is woken"""
    until(lambda: _states(platform) == {"asleep"})
    platform.run("stop", "hearing")
    place = _publish(platform)
    assert not World(platform).has_heard("hearing", place)
    assert platform.stop() == 0

    platform.start(until="step=modules")

    until(lambda: World(platform).has_heard("hearing", place))
    assert platform.module("plain")["state"] == "asleep"


def test_scheduled_work_wakes_its_module_when_it_is_due(platform: Platform) -> None:
    until(lambda: _states(platform) == {"asleep"})
    platform.stop()
    path = platform.data / "modules" / "clocked.json"
    record = json.loads(path.read_text())
    record["rest"]["due_at"] = "2020-01-01T00:00:00Z"
    path.write_text(json.dumps(record))

    platform.start(until="step=modules")

    until(lambda: json.loads(path.read_text())["rest"] not in (None, record["rest"]))
    assert platform.module("plain")["state"] == "asleep"


def test_a_woken_module_sleeps_again_once_it_is_idle(platform: Platform) -> None:
    with _asked_again_and_again(platform, "plain"):
        until(lambda: platform.module("plain")["state"] == "ready")

    until(lambda: platform.module("plain")["state"] == "asleep")

    assert platform.module("plain")["restarts"] == 0


def test_a_stopped_module_is_not_woken(platform: Platform) -> None:
    platform.run("stop", "plain")

    with pytest.raises(OSError):  # noqa: PT011 refused, or no socket there
        _request(platform, "plain")

    assert platform.module("plain")["state"] == "stopped"
    platform.run("start", "plain")


def test_a_start_with_unchanged_code_wakes_nobody(platform: Platform) -> None:
    until(lambda: _states(platform) == {"asleep"})
    assert platform.stop() == 0

    platform.start(until="step=modules")

    assert _states(platform) == {"asleep"}


def test_a_module_that_was_killed_is_woken_at_the_next_start(platform: Platform) -> None:
    with _asked_again_and_again(platform, "plain"):
        until(lambda: platform.module("plain")["state"] == "ready")
        platform.run("stop", "plain", "--kill")
    platform.stop()
    assert _rest(platform, "plain") is None

    platform.start(until="step=modules")

    until(lambda: _rest(platform, "plain") is not None)  # it was awake, and sleeps again
    assert platform.module("clocked")["state"] == "asleep"


def test_a_module_that_ends_the_zygote_is_served_all_the_same(platform: Platform) -> None:
    assert _answer(platform, "deadly").startswith(b"HTTP/1.1 401")
    assert _answer(platform, "clocked").startswith(b"HTTP/1.1 401")


def _publish(platform: Platform) -> int:
    """Put something on the stream that `hearing` hears; it can't be an event, and goes to the dead letters.

    Return its place on the stream.
    """
    return World(platform).publish(f"evt.{UUID(int=1)}.deal.close.won", {})


def _rest(platform: Platform, slug: str) -> Any:
    """Return what is known of a module that rests, None of one that is awake or was killed."""
    return json.loads((platform.data / "modules" / f"{slug}.json").read_text())["rest"]


@contextlib.contextmanager
def _asked_again_and_again(platform: Platform, slug: str) -> Iterator[None]:
    """Keep a module awake while the block runs: it would be asleep again before one has looked."""
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.wait(0.05):
            with contextlib.suppress(OSError):
                _request(platform, slug)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(ask)
        try:
            yield
        finally:
            is_over.set()


def _states(platform: Platform) -> set[Any]:
    return {module["state"] for module in platform.status()["modules"]}


def _answer(platform: Platform, slug: str) -> bytes:
    """Ask until a module answers: between its last process and the next, nobody listens for a moment."""
    answers: list[bytes] = []

    def is_answered() -> bool:
        with contextlib.suppress(OSError):
            answers.append(_request(platform, slug))
        return any(answers)

    until(is_answered)
    return answers[-1]


def _request(platform: Platform, slug: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(platform.data / "run" / f"{slug}.sock"))
        connection.sendall(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n")
        return connection.recv(4096)
