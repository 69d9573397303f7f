"""The short form of `./justw bench chaos`: everything is killed at random under load."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_nothing_acknowledged_is_lost_doubled_or_out_of_order_whoever_is_killed() -> None:
    """contracts.md, "Events" and "Commands": teller, journal, nats, postgres, router and supervisor twice each, kill -9"""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.chaos", "--short", "--json"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=290,
    )

    assert done.stdout, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["kills"] >= 10
    assert set(found["by_kind"].values()) == {2}
    assert found["acked"] >= 50
    wrong = {name: found[name] for name in ("lost", "twice", "out_of_order", "wrong_answers", "waiting")}
    assert not any(wrong.values()), done.stdout
