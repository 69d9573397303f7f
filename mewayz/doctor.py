"""`mewayz doctor`: the checks of a start, and then a real start in a folder of its own, so that both say the same."""

import signal
import socket
import subprocess
import sys
import tempfile
import time

from mewayz.folders import Lock, folders_of
from mewayz.preflight import failures
from mewayz.progress import Failed, Screen, Step
from mewayz.settings import Settings

_PATIENCE_S = 180


def doctor(settings: Settings, screen: Screen) -> int:
    """Tell all that is in the way of `mewayz up` with these settings; return the exit code that `up` would have.

    Nothing is changed in the data folder. Where a platform runs on it, its port is not taken by another program.
    """
    folders = folders_of(settings.data)
    lock = Lock(folders)
    if lock.is_taken():
        screen.show(Step("checks", 0, f"mewayz runs here: {lock.holder()}"))
    else:
        started = time.monotonic()
        for failure in (found := failures(settings, folders)):
            screen.show(Failed(failure.code, failure.message, failure.remedy, failure.exit_code))
        if found:
            return found[0].exit_code
        screen.show(Step("checks", time.monotonic() - started, f"nothing is in the way of a start in {folders.data}"))
    return _try_start()


def _try_start() -> int:
    """Start a platform without demo data in a temporary folder, stop it when it is ready; return its exit code."""
    with tempfile.TemporaryDirectory(prefix="mewayz-doctor-") as data:
        argv = [sys.executable, "-P", "-m", "mewayz", "up", "--no-demo", "--data", data, "--port", str(_free_port())]
        trial = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        signal.signal(signal.SIGALRM, lambda *_: trial.terminate())
        signal.alarm(_PATIENCE_S)
        assert trial.stdout is not None
        is_ready = False
        for line in trial.stdout:
            print(f"  {line}", end="", flush=True)
            if line.startswith("step=ready"):
                is_ready = True
                trial.terminate()
        signal.alarm(0)
        return trial.wait() or (0 if is_ready else 1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
