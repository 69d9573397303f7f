"""The foreground process of `mewayz up`: a supervisor behind it, a terminal before it, started again if it dies.

It is what `up` becomes once all checks have passed, without the command line's libraries in memory.
"""

import os
import signal
import subprocess
import sys
import time
from types import FrameType
from typing import NoReturn

import msgspec

from mewayz.failures import StartFailure
from mewayz.folders import Folders, folders_of
from mewayz.progress import Failed, Report, Screen, Trouble, screen
from mewayz.servers.child import become_reaper, disown, own, reap_strangers
from mewayz.settings import Charge, Settings

_DEATHS_ALLOWED = 5
_WINDOW_S = 60
_SECRETS = ("MEWAYZ_DATABASE_URL", "MEWAYZ_NATS_URL", "MEWAYZ_METRICS_TOKEN")


def become_foreground(settings: Settings, lock: int) -> NoReturn:
    """Turn this process into the foreground of a platform; it keeps its id and the `lock`."""
    os.set_inheritable(lock, True)
    read, write = os.pipe()
    os.write(write, msgspec.json.encode(settings))
    os.close(write)
    os.dup2(read, 0)
    # What was read of the environment goes by pipe, and no process of the platform inherits it.
    environment = {name: value for name, value in os.environ.items() if name not in _SECRETS}  # noqa: TID251
    os.execve(sys.executable, [sys.executable, "-P", "-m", "mewayz.runtime.foreground", str(lock)], environment)


def main() -> int:
    """Run with the settings from standard input and the lock's descriptor from the arguments."""
    settings = msgspec.json.decode(sys.stdin.buffer.read(), type=Settings)
    return Foreground(settings, folders_of(settings.data), screen(), int(sys.argv[1])).run()


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
        self._lifeline = os.pipe()

    def run(self) -> int:
        """Keep a supervisor running until it is told to stop."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)
        become_reaper()
        signal.signal(signal.SIGCHLD, lambda *_: reap_strangers())
        deaths: list[float] = []
        while True:
            exit_code = self._run_supervisor()
            if exit_code == 0 or self._failed or self._stopping:
                return max(exit_code, 0)
            deaths = [*(death for death in deaths if time.monotonic() - death < _WINDOW_S), time.monotonic()]
            why = f"the supervisor died ({exit_code})"
            if len(deaths) > _DEATHS_ALLOWED:
                given_up = StartFailure(f"Giving up: {why}, again and again.", f"read {self._log}")
                self._screen.show(Failed(given_up.code, given_up.message, given_up.remedy, given_up.exit_code))
                return given_up.exit_code
            self._screen.show(Trouble(f"Starting again: {why}.", f"why: {self._log}"))

    @property
    def _log(self) -> str:
        return str(self._folders.log / "supervisor.log")

    def _run_supervisor(self) -> int:
        """Run one supervisor to its end, showing what it reports; return its exit status."""
        charge = Charge(
            settings=self._settings,
            is_successor=self._supervisor is not None,
            lifeline=self._lifeline,
        )
        with open(self._log, "ab") as log:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-P", "-m", "mewayz.runtime.supervisor"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=[self._lock, *self._lifeline],
                start_new_session=True,  # a terminal's Ctrl-C reaches us alone
            )
        assert self._supervisor.stdin is not None
        assert self._supervisor.stdout is not None
        own(self._supervisor.pid)
        self._supervisor.stdin.write(msgspec.json.encode(charge) + b"\n")
        self._supervisor.stdin.flush()  # and stays open: when we are gone, its end tells the supervisor
        decoder = msgspec.json.Decoder(Report)
        for line in self._supervisor.stdout:
            report = decoder.decode(line)
            self._failed = isinstance(report, Failed)
            self._screen.show(report)
        try:
            return self._supervisor.wait()
        finally:
            disown(self._supervisor.pid)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        """Stop in order; at the second time, at once."""
        if self._supervisor is not None:
            self._supervisor.send_signal(signal.SIGKILL if self._stopping else signal.SIGTERM)
        self._stopping = True


if __name__ == "__main__":
    sys.exit(main())
