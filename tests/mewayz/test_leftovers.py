"""Processes that outlived their supervisor are known by more than their id: the kernel gives that to others (events.md, G)."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from mewayz.folders import Folders, folders_of
from mewayz.passwords import Passwords
from mewayz.servers.child import Adopted
from mewayz.servers.leftovers import Process, end_leftover, note, noted
from mewayz.servers.postgres import Postgres
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of ours."""
    with subprocess.Popen(["sleep", "3600"]) as process:
        yield process
        process.kill()


async def test_a_process_is_known_again_by_its_id_and_start_time(
    tmp_path: Path, stranger: subprocess.Popen[bytes]
) -> None:
    note(tmp_path / "crm.pid", stranger.pid)

    process = noted(tmp_path / "crm.pid")
    assert process is not None
    assert process.pid == stranger.pid
    process.close()
    await end_leftover(tmp_path / "crm.pid")

    assert stranger.wait(PATIENCE_S) == -signal.SIGTERM


@pytest.mark.parametrize("content", ["{pid} 1", "{pid}", "{pid} ", "", "no number 1"])
async def test_a_stranger_with_the_id_of_one_that_ended_is_neither_taken_over_nor_ended(
    tmp_path: Path, stranger: subprocess.Popen[bytes], content: str
) -> None:
    path = tmp_path / "crm.pid"
    path.write_text(content.format(pid=stranger.pid))

    assert noted(path) is None
    await end_leftover(path)

    assert stranger.poll() is None


async def test_one_that_ended_while_it_was_followed_is_not_looked_for_by_its_id(
    tmp_path: Path, stranger: subprocess.Popen[bytes]
) -> None:
    held = Process(stranger.pid)
    stranger.kill()
    stranger.wait()
    adopted = Adopted(held, tmp_path / "log")

    adopted.send(signal.SIGKILL)

    assert await adopted.ended() == 0
    assert not adopted.is_running


async def test_postgresql_starts_though_a_stranger_has_the_id_of_the_one_before(
    tmp_path: Path, postgres_admin_url: str, platform_folders: Folders, stranger: subprocess.Popen[bytes]
) -> None:
    """After a power failure ids begin anew. Another platform's PostgreSQL was ended; with another's program ours did not start"""
    others = int((platform_folders.postgres / "postmaster.pid").read_text().splitlines()[0])
    folders = folders_of(tmp_path / "data")
    folders.create()
    server = Postgres(folders, Passwords(folders.secrets))
    await server.start()
    told = (folders.postgres / "postmaster.pid").read_text()
    await server.stop()

    for pid in (others, stranger.pid):
        (folders.postgres / "postmaster.pid").write_text("\n".join([str(pid), *told.splitlines()[1:], ""]))
        server = Postgres(folders, Passwords(folders.secrets))
        server.adopt()
        assert server.pid is None
        await server.start()
        await server.stop()

    assert stranger.poll() is None
    os.kill(others, 0)
    connection = await asyncpg.connect(postgres_admin_url)
    assert await connection.fetchval("select 1") == 1
    await connection.close()
