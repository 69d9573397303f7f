"""The zygote and what goes wrong with it: code that hangs or doesn't import, replacements, jobs whose servers are away."""

import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import msgspec
import pytest

from mewayz.folders import folders_of
from mewayz.runtime.fork import JobFailed, JobInterrupted, ZygoteGone
from mewayz.runtime.forks import Forks
from mewayz.runtime.orders import Key, Prepare, Provide
from tests.modules import until
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]
_SOUND = 'from shared.module import Module\n\nmodule = Module("{slug}", name="{slug}", area="Test", parts=())\n'
_HANGING = "import time\n\ntime.sleep(3600)\n"


def write_module(folder: Path, slug: str, code: str = _SOUND) -> None:
    (folder / slug / "migrations").mkdir(parents=True)
    (folder / slug / "__init__.py").write_text(code.format(slug=slug))


@asynccontextmanager
async def running(
    tmp_path: Path, failing: Callable[[str], None] = lambda _: None, *, answer_s: float = 60
) -> AsyncIterator[Forks]:
    """A zygote that finds modules in the test's folder."""
    reading, writing = os.pipe()
    forks = Forks(tmp_path / "zygote.log", [str(tmp_path)], reading, failing=failing, answer_s=answer_s)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(forks.run)
        yield forks
        tasks.cancel_scope.cancel()
    os.close(reading)
    os.close(writing)


async def make_key(forks: Forks, tmp_path: Path) -> None:
    """Have a job done that needs no server."""
    folders = folders_of(tmp_path / "data")
    folders.create()
    order = msgspec.json.encode(Key(str(folders.secrets)))
    async with forks.fork("key", "platform", order, tmp_path / "platform.log") as fork:
        await fork.result()


async def test_a_module_whose_code_hangs_the_zygote_is_left_out_and_forking_goes_on(tmp_path: Path) -> None:
    write_module(tmp_path, "hanging", _HANGING)
    write_module(tmp_path, "sound")
    async with running(tmp_path, answer_s=12) as forks, anyio.create_task_group() as tasks:
        tasks.start_soon(forks.keep_loaded, lambda: ["hanging", "sound"])

        async def goes_on() -> bool:
            return forks.loaded == {"sound"}

        await until(goes_on, 2 * PATIENCE_S)  # 12 s of them pass in any case
        await make_key(forks, tmp_path)
        tasks.cancel_scope.cancel()


async def test_a_zygote_that_never_starts_is_told_of_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The riddle of the first start that hung at "starting": shared code was being rewritten, and nobody was told."""
    broken = tmp_path / "path" / "uvloop.py"
    broken.parent.mkdir()
    broken.write_text("raise ImportError('half-written')\n")
    monkeypatch.setenv("PYTHONPATH", str(broken.parent))
    told: list[str] = []
    async with running(tmp_path, told.append) as forks:

        async def is_told() -> bool:
            return bool(told)

        await until(is_told)
        assert forks.trouble == told[0] == "the zygote does not start: ImportError: half-written"

        broken.unlink()
        await make_key(forks, tmp_path)

        assert forks.trouble is None
    assert len(told) == 1


async def test_two_replacements_in_a_row_leave_nobody_waiting(tmp_path: Path) -> None:
    """`restart` of two modules whose code has changed: whoever waited for the first new zygote waited for ever"""
    for slug in ("alpha", "beta"):
        write_module(tmp_path, slug)
    async with running(tmp_path) as forks:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(forks.keep_loaded, lambda: ["alpha", "beta"])

            async def both() -> bool:
                return forks.loaded == {"alpha", "beta"}

            await until(both)
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            forks.reload("alpha")
            tasks.start_soon(make_key, forks, tmp_path)
            await anyio.lowlevel.checkpoint()  # it waits for the new zygote now
            forks.reload("beta")


async def test_a_job_by_a_modules_old_code_ends_with_its_zygote_and_has_not_failed(tmp_path: Path) -> None:
    """A module that was stopped and started twice in a second was parked, "killed by SIGKILL"."""
    write_module(tmp_path, "sound")
    order = msgspec.json.encode(Prepare(f"postgresql://nobody@/nothing?host={tmp_path}"))
    async with running(tmp_path) as forks:
        await forks.load("sound")
        with silent_server(tmp_path) as asked:
            async with forks.fork("prepare", "sound", order, tmp_path / "sound.log") as fork:
                await asked()
                forks.reload("sound")
                with pytest.raises(ZygoteGone):
                    await fork.result()
        await make_key(forks, tmp_path)


async def test_other_modules_jobs_go_on_when_the_zygote_is_replaced(tmp_path: Path) -> None:
    """`start` of a module whose code had changed killed a backup, an import or another module's migration in hand"""
    write_module(tmp_path, "sound")
    write_module(tmp_path, "other")
    order = msgspec.json.encode(Prepare(f"postgresql://nobody@/nothing?host={tmp_path}"))
    async with running(tmp_path) as forks:
        await forks.load("sound")
        with silent_server(tmp_path) as asked:
            async with forks.fork("prepare", "other", order, tmp_path / "other.log") as fork:
                await asked()
                old = forks.pid
                forks.reload("sound")
                await make_key(forks, tmp_path)
                assert forks.pid != old
                fork.send(signal.SIGTERM)
                with pytest.raises(JobFailed, match="SIGTERM"):
                    await fork.result()

        async def is_gone() -> bool:
            return not await anyio.Path(f"/proc/{old}").exists()

        await until(is_gone)


@contextmanager
def silent_server(folder: Path) -> Iterator[Callable[[], Awaitable[None]]]:
    """Listen where PostgreSQL would, and never answer; what is yielded waits until somebody asks."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / ".s.PGSQL.5432"))
        listener.listen()

        async def asked() -> None:
            with anyio.fail_after(PATIENCE_S):
                await anyio.wait_readable(listener)

        yield asked


async def test_a_job_whose_server_is_away_is_interrupted_and_one_whose_code_is_wrong_has_failed(tmp_path: Path) -> None:
    write_module(tmp_path, "wrong", "open('/nowhere/at/all')\n")
    nowhere = f"postgresql://nobody@/nothing?host={tmp_path}"
    async with running(tmp_path) as forks:
        order = msgspec.json.encode(Provide(nowhere, str(tmp_path)))
        async with forks.fork("provide", "wrong", order, tmp_path / "wrong.log") as fork:
            with pytest.raises(JobInterrupted):
                await fork.result()

        order = msgspec.json.encode(Prepare(nowhere))
        async with forks.fork("prepare", "wrong", order, tmp_path / "wrong.log") as fork:
            with pytest.raises(JobFailed, match=r"FileNotFoundError: .*\(__init__.py:1\)"):
                await fork.result()


async def test_a_job_tells_why_it_failed_though_its_log_is_on_a_full_disk(tmp_path: Path) -> None:
    write_module(tmp_path, "wrong", "open('/nowhere/at/all')\n")
    order = msgspec.json.encode(Prepare(f"postgresql://nobody@/nothing?host={tmp_path}"))
    async with running(tmp_path) as forks, forks.fork("prepare", "wrong", order, Path("/dev/full")) as fork:
        with pytest.raises(JobFailed, match="FileNotFoundError"):
            await fork.result()
