"""`mewayz up`: all checks first, then the foreground process."""

import os

from mewayz.failures import AlreadyRunning, StartFailure
from mewayz.folders import Lock, folders_of
from mewayz.modules import chosen, module_folders, slugs
from mewayz.preflight import failures
from mewayz.progress import Failed, Screen
from mewayz.runtime.foreground import become_foreground
from mewayz.settings import Settings


def up(settings: Settings, screen: Screen) -> int:
    """Become the foreground of a platform until Ctrl-C, SIGTERM or `mewayz down`; return only what kept it from starting.

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
    become_foreground(settings, held)


def _show(screen: Screen, found: list[StartFailure]) -> int:
    for failure in found:
        screen.show(Failed(failure.code, failure.message, failure.remedy, failure.exit_code))
    return found[0].exit_code
