"""The platform as a whole: real processes are started, killed, hung and stopped (contracts.md, "Where things are")."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.mewayz.processes import is_alive, is_gone, shown, supervisor_of, zygote_of
from tests.services import Platform
from tests.waiting import until

pytestmark = [pytest.mark.timeout(90), pytest.mark.xdist_group("platform")]

_MODULE = """
from shared.module import Module

module = Module({slug!r}, name={slug!r}, area="Test", parts=())
"""


_KEEPER = """
from shared.events.handler import on
from shared.wire.envelope import Event


class CustomerNamed(Event, type="customer.created"):
    name: str


@on("customer.created", keeps=True)
async def keep(_tx, event: CustomerNamed) -> None:
    pass
"""


@pytest.fixture(scope="module")
def folder_of_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Modules of their own: two sound ones, one whose code is broken, one that dies whenever it is served."""
    folder = tmp_path_factory.mktemp("modules")
    for slug in ("alpha", "beta", "broken", "fragile"):
        (folder / slug / "migrations").mkdir(parents=True)
        (folder / slug / "__init__.py").write_text(_MODULE.format(slug=slug))
    (folder / "broken" / "__init__.py").write_text("answer = 42\nquestion = answer / 0\n")
    dying = "\nimport setproctitle, os\nif 'prepare' not in setproctitle.getproctitle():\n    os._exit(7)\n"
    (folder / "fragile" / "__init__.py").write_text(_MODULE.format(slug="fragile") + dying)
    return folder


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, folder_of_modules: Path) -> Iterator[Platform]:
    """A running platform with those modules."""
    data = tmp_path_factory.mktemp("data")
    running = Platform(data, "--modules", "alpha,beta,broken,fragile", modules_from=[folder_of_modules])
    running.start(until="step=modules")
    yield running
    assert running.stop() == 0


def test_a_module_whose_code_is_broken_is_parked_with_its_line_and_the_others_run(platform: Platform) -> None:
    broken = platform.module("broken")

    assert broken["state"] == "parked"
    assert broken["reason"] == "ZeroDivisionError: division by zero (__init__.py:2)"
    assert platform.module("alpha")["state"] == "ready"


def test_a_repaired_module_starts(platform: Platform, folder_of_modules: Path) -> None:
    (folder_of_modules / "broken" / "__init__.py").write_text(_MODULE.format(slug="broken"))

    assert platform.run("start", "broken").returncode == 0

    until(lambda: platform.module("broken")["state"] == "ready")


def test_a_module_that_dies_in_a_loop_is_parked_with_the_reason(platform: Platform) -> None:
    until(lambda: platform.module("fragile")["state"] == "parked")

    reason = platform.module("fragile")["reason"]
    assert reason == "it died more than 5 times in a minute, the last time: ended with exit code 7"


def test_a_killed_module_is_started_again(platform: Platform) -> None:
    before = platform.module("alpha")

    os.kill(before["pid"], signal.SIGKILL)

    def is_back() -> bool:
        now = platform.module("alpha")
        return now["state"] == "ready" and now["pid"] != before["pid"] and now["restarts"] == before["restarts"] + 1

    until(is_back)


def test_a_stopped_module_stays_down_with_its_socket_closed_until_it_is_started(platform: Platform) -> None:
    path = next(platform.data.glob("run/beta.sock"))
    assert _connects(path)

    platform.run("stop", "beta", "--kill")

    assert platform.module("beta")["state"] == "stopped"
    assert not _connects(path)
    platform.run("start", "beta")
    until(lambda: platform.module("beta")["state"] == "ready")
    assert _connects(path)


def test_a_restarted_module_has_a_new_process(platform: Platform) -> None:
    before = platform.module("beta")["pid"]

    platform.run("restart", "beta")

    until(lambda: platform.module("beta")["state"] == "ready" and platform.module("beta")["pid"] != before)


def test_a_module_that_hangs_is_killed_and_started_again(platform: Platform) -> None:
    before = platform.module("alpha")

    os.kill(before["pid"], signal.SIGSTOP)

    until(lambda: platform.module("alpha")["pid"] not in (None, before["pid"]))
    until(lambda: platform.module("alpha")["state"] == "ready")
    assert platform.module("alpha")["reason"] == "the last time: it gave no sign of life for 5 s"


def test_modules_outlive_a_killed_zygote_and_new_ones_come_from_the_next(platform: Platform) -> None:
    zygote = zygote_of(platform)
    alpha = platform.module("alpha")["pid"]

    zygote.kill()

    zygote_of(platform, but=zygote)
    assert platform.module("alpha")["pid"] == alpha
    os.kill(alpha, signal.SIGKILL)
    until(lambda: platform.module("alpha")["state"] == "ready" and platform.module("alpha")["pid"] != alpha)
    assert platform.module("alpha")["reason"].startswith("the last time: ")


@pytest.mark.parametrize("server", ["postgres", "nats"])
def test_a_killed_server_is_started_again(platform: Platform, server: str) -> None:
    before = platform.status()[server]

    os.kill(before["pid"], signal.SIGKILL)

    until(lambda: platform.status()[server]["pid"] not in (None, before["pid"]))
    assert platform.status()[server]["url"] == before["url"]


def test_a_killed_supervisor_is_started_again_and_takes_over_what_runs(platform: Platform) -> None:
    until(lambda: _takes_sessions(platform))  # a server that an earlier test killed may still be starting
    platform.run("stop", "beta")
    until(lambda: _is_calm(platform))
    before = platform.status()

    supervisor_of(platform).kill()

    platform.wait_for("! Starting again")
    platform.wait_for("step=modules")
    after = platform.status()
    for server in ("router", "postgres", "nats"):
        assert (server, after[server]["pid"]) == (server, before[server]["pid"])
    assert [(one["name"], one["state"], one["pid"]) for one in after["modules"]] == [
        (one["name"], one["state"], one["pid"]) for one in before["modules"]
    ]
    platform.run("start", "beta")


def test_a_successor_looks_after_what_it_took_over_though_its_zygote_is_slow(platform: Platform) -> None:
    """On a busy machine the zygote takes seconds: a module or server that died meanwhile was said to be well"""
    until(lambda: platform.module("alpha")["state"] == "ready")
    before = platform.status()["postgres"]["pid"]
    former = zygote_of(platform)
    supervisor_of(platform).kill()
    zygote = zygote_of(platform, but=former)
    zygote.suspend()
    try:
        until(lambda: platform.module("alpha")["pid"] is not None)
        os.kill(platform.module("alpha")["pid"], signal.SIGKILL)
        os.kill(before, signal.SIGKILL)

        until(lambda: platform.module("alpha")["state"] != "ready")
        until(lambda: platform.status()["postgres"]["pid"] not in (None, before))
    finally:
        zygote.resume()
    until(lambda: platform.module("alpha")["state"] == "ready")


def test_a_supervisors_successor_goes_on_when_the_database_dies_at_its_start(
    tmp_path: Path, folder_of_modules: Path
) -> None:
    """bench chaos, seed 2: PostgreSQL was killed while a new supervisor started it, and the whole platform gave up"""
    with Platform(tmp_path, "--modules", "beta", modules_from=[folder_of_modules]) as running:
        pids = {running.status()["postgres"]["pid"]}
        supervisor_of(running).kill()
        os.kill(max(pids), signal.SIGKILL)

        while len(pids) < 3:  # the two that come next die before they are ready
            lines = _lines(tmp_path / "postgres" / "postmaster.pid")
            if lines and (pid := int(lines[0])) not in pids and is_alive(pid):
                with contextlib.suppress(ProcessLookupError):  # it ended by itself in this moment
                    os.kill(pid, signal.SIGKILL)
                    pids.add(pid)
            time.sleep(0.001)

        running.wait_for("step=ready")
        assert running.status()["postgres"]["pid"] not in pids
        until(lambda: running.module("beta")["state"] == "ready")


def test_an_adopted_module_that_dies_is_started_again(platform: Platform) -> None:
    until(lambda: platform.module("alpha")["state"] == "ready")
    before = platform.module("alpha")["pid"]

    os.kill(before, signal.SIGKILL)

    until(lambda: platform.module("alpha")["pid"] not in (None, before))
    until(lambda: platform.module("alpha")["state"] == "ready")


def test_of_a_module_that_comes_after_others_it_is_said_how_it_hears_of_what_is_old(
    tmp_path: Path, folder_of_modules: Path
) -> None:
    (folder_of_modules / "later" / "migrations").mkdir(parents=True)
    (folder_of_modules / "later" / "handlers.py").write_text(_KEEPER)
    code = _MODULE.format(slug="later").replace("parts=()", "parts=(handlers,)")
    (folder_of_modules / "later" / "__init__.py").write_text(f"from subgraphs.later import handlers\n{code}")
    with Platform(tmp_path, "--modules", "beta", modules_from=[folder_of_modules]) as first:
        pass

    with Platform(tmp_path, "--modules", "beta,later", modules_from=[folder_of_modules]) as second:
        said = "\n".join(second.lines)

    assert (
        "! later is new here: of what is older than 30 days it knows nothing.\n  → ./justw events rebuild later" in said
    )
    assert not [line for line in first.lines if "new here" in line]


def test_a_second_up_on_the_same_data_says_so(platform: Platform) -> None:
    second = Platform(platform.data)

    second.start(until="✘ mewayz is already running here: pid ")

    assert f"pid {platform.pid}, http://localhost:{platform.port}." in second.lines[-1]
    assert second.exit_code() == 0


def test_an_unknown_module_is_answered_with_the_names_there_are(platform: Platform) -> None:
    done = platform.run("stop", "nix")

    assert done.returncode == 1
    assert done.stderr == "✘ There is no module 'nix': the modules are alpha, beta, broken, fragile.\n"


def test_secrets_stand_in_no_command_line_and_no_environment(platform: Platform) -> None:
    secrets = [path.read_bytes().strip() for path in (platform.data / "secrets").iterdir()]
    processes = [psutil.Process(platform.pid), *psutil.Process(platform.pid).children(recursive=True)]

    told = b"".join(shown(process) for process in processes)

    assert secrets
    assert not [secret for secret in secrets if secret in told]


def test_when_up_is_killed_nothing_stays_behind(tmp_path: Path, folder_of_modules: Path) -> None:
    running = Platform(tmp_path, "--modules", "beta", modules_from=[folder_of_modules])
    running.start(until="step=modules")
    family = psutil.Process(running.pid).children(recursive=True)

    os.kill(running.pid, signal.SIGKILL)

    assert running.exit_code() == -signal.SIGKILL
    assert len(family) > 5
    until(lambda: all(is_gone(process) for process in family))


def test_when_up_and_supervisor_are_killed_at_once_nothing_stays_behind(
    tmp_path: Path, folder_of_modules: Path
) -> None:
    running = Platform(tmp_path, "--modules", "beta", modules_from=[folder_of_modules])
    running.start(until="step=modules")
    family = psutil.Process(running.pid).children(recursive=True)

    for process in (psutil.Process(running.pid), supervisor_of(running)):
        process.suspend()  # so that neither sees the other die
    for process in (supervisor_of(running), psutil.Process(running.pid)):
        process.kill()

    assert running.exit_code() == -signal.SIGKILL
    until(lambda: all(is_gone(process) for process in family))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except FileNotFoundError:
        return []


def _connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except OSError:
            return False
    return True


def _takes_sessions(platform: Platform) -> bool:
    """Whether PostgreSQL does: the last of the eight lines of its file says so."""
    file = platform.data / "postgres" / "postmaster.pid"
    lines = _lines(file) if file.exists() else []
    return len(lines) == 8 and lines[7].strip() == "ready"


def _is_calm(platform: Platform) -> bool:
    """Whether all servers run, and no module is on its way."""
    status = platform.status()
    servers = [status[name]["pid"] for name in ("router", "postgres", "nats")]
    return all(servers) and {one["state"] for one in status["modules"]} <= {"ready", "parked", "stopped"}
