"""A disk that fills up under load: commands wait or are refused, nothing is lost, and it goes on by itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.timeout(400)
@pytest.mark.xdist_group("outages")
@pytest.mark.parametrize("what", ["nats", "all"])
def test_what_a_full_disk_stops_goes_on_when_there_is_room(tmp_path: Path, what: str) -> None:
    """events.md, G: outboxes grow while the streams' disk (32 MB) is full; with the database's, commands are refused"""
    if subprocess.run(["unshare", "-rm", "true"], check=False).returncode != 0:
        pytest.skip("user namespaces are refused here")
    done = subprocess.run(
        ["unshare", "-rm", sys.executable, "-m", "tests.chaos.full_disk", what, str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=380,
    )

    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-20000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["acked"]["while_full"] > 0) == (what == "nats"), found
    assert found["states"]["identity"] == "ready", found
    wrong = {name: found[name] for name in ("lost", "twice", "out_of_order", "waiting")}
    assert not any(wrong.values()), found
