"""A module's process is watched (mewayz/runtime/life.py): signs of life, and memory."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mewayz.runtime.fork import Fork
from mewayz.runtime.life import Life
from mewayz.runtime.pulse import Pulse
from mewayz.servers.leftovers import Process

_HOLDER = "import time; held = b'x' * 100_000_000; print('up', flush=True); time.sleep(60)"


@pytest.mark.anyio
async def test_a_process_above_its_ceiling_of_memory_is_ended_with_the_reason(tmp_path: Path) -> None:
    with (
        subprocess.Popen([sys.executable, "-c", _HOLDER], stdout=subprocess.PIPE) as process,  # noqa: ASYNC220
        Pulse.fresh(tmp_path / "alpha.beat") as pulse,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        assert pulse.writer is not None
        os.write(pulse.writer, b"{}\n")
        fork = Fork(Process(process.pid))

        reason = await Life(fork, pulse, memory_mb=50).watch(lambda: None)

        fork.close()
    assert reason.endswith("MB of memory; its ceiling is 50 MB")


@pytest.mark.anyio
async def test_a_process_that_never_comes_up_is_killed_with_the_reason(tmp_path: Path) -> None:
    """events.md, G: liveness; a module doesn't stay at "starting" """
    with (
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process,  # noqa: ASYNC220
        Pulse.fresh(tmp_path / "alpha.beat") as pulse,
    ):
        fork = Fork(Process(process.pid))

        reason = await Life(fork, pulse, memory_mb=50, first_beat_s=1).watch(lambda: None)

        fork.close()
    assert reason == "it gave no sign of life for 1 s"


@pytest.mark.anyio
async def test_a_process_that_ends_before_it_is_followed_has_ended(tmp_path: Path) -> None:
    """bench chaos, seed 2: a module died while a new supervisor took it over, and took the supervisor with it"""
    process = subprocess.Popen([sys.executable, "-c", ""])  # noqa: ASYNC220
    process.wait()
    fork = Fork(Process(process.pid))

    fork.send(signal.SIGTERM)

    assert await fork.ended() == "ended"
    fork.close()
