"""Once the packages are here, no network is needed: a platform starts and stops where there is nothing but loopback."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ALONE = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$0" "$@"']


def _can_be_alone() -> bool:
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return subprocess.run([*_ALONE, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.timeout(180)
@pytest.mark.skipif(not _can_be_alone(), reason="no network namespaces here")
def test_without_a_network_everything_starts(tmp_path: Path) -> None:
    command = [*_ALONE, sys.executable, "-m", "mewayz", "doctor", "--data", str(tmp_path / "data")]

    done = subprocess.run(command, capture_output=True, text=True, timeout=170)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "step=ready" in done.stdout
