"""The isolation proof in its short form: `./justw prove-isolation --short --json` (security.md, E3)."""

import json
import subprocess
import sys

import pytest


@pytest.mark.timeout(900)
def test_nothing_leaks_and_every_wall_that_is_taken_away_is_missed() -> None:
    """security.md, threats 1, 2, 4 to 12 and 17"""
    command = [sys.executable, "-m", "mewayz", "prove-isolation", "--short", "--json"]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=880)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["leaks"] == 0
    assert found["planted"] == found["found"] == 19
    assert found["probes"] > 500
