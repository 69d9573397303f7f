"""What keeps `mewayz up` from starting: one sentence, a remedy, an exit code, nothing changed (ux.md A)."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mewayz.failures import NoSpace, StartFailure, UnusableFolder
from mewayz.folders import Lock, folders_of
from mewayz.preflight import check_file_system, check_space
from tests.waiting import PATIENCE_S


def test_a_taken_port_is_named_with_the_next_one(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        done = _up(tmp_path / "data", "--port", str(port))

    assert done.returncode == 10
    assert done.stdout == f"✘ Port {port} is taken by another program. [E01]\n  → ./justw up --port {port + 1}\n"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [("VERSION", "2", "newer mewayz (data version 2)"), ("postgres/PG_VERSION", "19", "newer mewayz (PostgreSQL 19)")],
)
def test_data_of_a_newer_release_is_left_untouched(tmp_path: Path, file: str, content: str, words: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(content)

    done = _up(tmp_path)

    assert done.returncode == 17
    assert words in done.stdout
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [Path(file).name]


def test_all_that_is_in_the_way_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text("9")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = _up(tmp_path, "--port", str(taken.getsockname()[1]))

    assert "[E09]" in done.stdout
    assert "[E01]" in done.stdout
    assert done.returncode == 17


def test_a_file_in_the_place_of_the_data_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").touch()

    done = _up(tmp_path / "data")

    assert done.returncode == 15
    assert f"{tmp_path / 'data'} is no folder." in done.stdout


def test_a_long_data_path_puts_sockets_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)

    folders = folders_of(tmp_path / ("x" * 100))
    folders.create()

    assert len(os.fsencode(folders.postgres_socket / ".s.PGSQL.5432")) <= 107
    assert folders.run.stat().st_mode & 0o777 == 0o700
    assert folders.run == folders_of(tmp_path / ("x" * 100)).run
    folders.postgres_socket.rmdir()
    folders.run.rmdir()


def test_no_short_enough_place_for_sockets_is_one_sentence(tmp_path: Path) -> None:
    long = tmp_path / ("y" * 100)
    long.mkdir()

    done = _up(long / "data", TMPDIR=str(long), XDG_RUNTIME_DIR="")

    assert done.returncode == 15
    assert "is too long for a socket" in done.stdout


def test_a_file_system_without_locks_is_refused() -> None:
    with pytest.raises(UnusableFolder, match="it is a Windows disk"):
        check_file_system(Path("/mnt/c/data"), "9p")
    check_file_system(Path("/home/data"), "ext4")


def test_a_full_disk_is_refused_with_both_amounts(tmp_path: Path) -> None:
    with pytest.raises(NoSpace, match=r"200 MB free at .*; a start needs 600 MB"):
        check_space(tmp_path, 200 * 10**6)


def test_a_shifted_clock_is_refused_outside_test_data(tmp_path: Path) -> None:
    done = _up(tmp_path / "data", "--clock", "file:/tmp/clock")

    assert done.returncode != 0
    assert "MEWAYZ_CLOCK is refused outside test data" in done.stdout


def test_an_unknown_module_is_refused_before_anything_starts(tmp_path: Path) -> None:
    done = _up(tmp_path / "data", "--modules", "crm,nix")

    assert done.returncode == 1
    assert "There is no module 'nix'" in done.stderr
    assert not (tmp_path / "data").exists()


def test_the_lock_is_free_again_when_its_holder_is_gone(tmp_path: Path) -> None:
    lock = Lock(folders_of(tmp_path))

    held = lock.take("pid 1")
    assert lock.is_taken()
    with pytest.raises(StartFailure, match="already running here: pid 1"):
        Lock(folders_of(tmp_path)).take("pid 2")
    os.close(held)

    assert not lock.is_taken()


def _up(data: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mewayz", "up", "--data", str(data), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath, **environment},
        timeout=PATIENCE_S,
    )
