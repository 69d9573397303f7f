"""A process logs to a file, and the disk of that may be full."""

import subprocess
import sys

_LOGGING = """
import structlog
from shared.wire.log import configure_log

configure_log("info")
log = structlog.get_logger()
for number in range(100):
    log.warning("disk_full", number=number, text="x" * 200)
print("goes on", flush=True)
"""


def test_who_logs_goes_on_where_the_disk_is_full() -> None:
    """events.md, G: a module that failed by each line it logged was parked, and stayed so when there was room again"""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _LOGGING], stdout=subprocess.PIPE, stderr=full, text=True, check=False
        )

    assert done.stdout == "goes on\n"
