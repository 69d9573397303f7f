"""`mewayz up` in the foreground: checks, starts the supervisor, shows its progress, starts it again if it dies."""

import os
import signal
import subprocess
import sys
import time
from types import FrameType

import msgspec

from mewayz.failures import AlreadyRunning, StartFailure
from mewayz.folders import Folders, Lock, folders_of
from mewayz.modules import chosen, module_folders, slugs
from mewayz.preflight import failures
from mewayz.progress import Failed, Report, Screen, Trouble
from mewayz.settings import Settings

_DEATHS_ALLOWED = 5
_WINDOW_S = 60


def up(settings: Settings, screen: Screen) -> int:
    """Run the platform until Ctrl-C, SIGTERM or `mewayz down`; return the exit code.

    Raises UnknownModule before anything is started.
    """
    chosen(slugs(module_folders(settings.modules_from)), settings.modules)
    try:
        folders = folders_of(settings.data)
        lock = Lock(folders)
        if lock.is_taken():
            raise AlreadyRunning(lock.holder())
        if found := failures(settings, folders):
            return _show(screen, found)
        folders.create()
        held = lock.take(f"pid {os.getpid()}, {settings.address}")
    except StartFailure as failure:
        return _show(screen, [failure])
    return Foreground(settings, folders, screen, held).run()


class Foreground:
    """The foreground process: a supervisor behind it, a terminal before it."""

    def __init__(self, settings: Settings, folders: Folders, screen: Screen, lock: int) -> None:
        """Take what the supervisor is told; it inherits the `lock`, which holds until both are gone."""
        self._settings = settings
        self._folders = folders
        self._screen = screen
        self._lock = lock
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._failed = False

    def run(self) -> int:
        """Keep a supervisor running until it is told to stop."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)
        deaths: list[float] = []
        while True:
            exit_code = self._run_supervisor()
            if exit_code == 0 or self._failed or self._stopping:
                return max(exit_code, 0)
            deaths = [*(death for death in deaths if time.monotonic() - death < _WINDOW_S), time.monotonic()]
            why = f"the supervisor died ({exit_code})"
            if len(deaths) > _DEATHS_ALLOWED:
                return _show(self._screen, [StartFailure(f"Giving up: {why}, again and again.", f"read {self._log}")])
            self._screen.show(Trouble(f"Starting again: {why}.", f"why: {self._log}"))

    @property
    def _log(self) -> str:
        return str(self._folders.log / "supervisor.log")

    def _run_supervisor(self) -> int:
        """Run one supervisor to its end, showing what it reports; return its exit status."""
        with open(self._log, "ab") as log:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-P", "-m", "mewayz.runtime.supervisor"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=[self._lock],
                start_new_session=True,  # a terminal's Ctrl-C reaches us alone
            )
        assert self._supervisor.stdin is not None
        assert self._supervisor.stdout is not None
        self._supervisor.stdin.write(msgspec.json.encode(self._settings) + b"\n")
        self._supervisor.stdin.flush()  # and stays open: when we are gone, its end tells the supervisor
        decoder = msgspec.json.Decoder(Report)
        for line in self._supervisor.stdout:
            report = decoder.decode(line)
            self._failed = isinstance(report, Failed)
            self._screen.show(report)
        return self._supervisor.wait()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        """Stop in order; at the second time, at once."""
        if self._supervisor is not None:
            self._supervisor.send_signal(signal.SIGKILL if self._stopping else signal.SIGTERM)
        self._stopping = True


def _show(screen: Screen, found: list[StartFailure]) -> int:
    for failure in found:
        screen.show(Failed(failure.code, failure.message, failure.remedy, failure.exit_code))
    return found[0].exit_code
