"""What is checked before anything is started: all of it at once, so that one try shows all that is in the way."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from mewayz.failures import NoSpace, PortTaken, StartFailure, UnusableFolder
from mewayz.folders import Folders
from mewayz.settings import Settings
from shared.clock import clock_from

_NEEDED_MB = 600
_UNFIT = {"9p": "a Windows disk", "nfs": "a network disk", "nfs4": "a network disk", "cifs": "a network disk"}


def failures(settings: Settings, folders: Folders) -> list[StartFailure]:
    """Return all that would keep the platform from starting, worst first; nothing has been changed."""
    checks: list[Callable[[], None]] = [
        folders.check_version,
        lambda: check_writable(folders.data),
        lambda: check_file_system(folders.data, file_system(folders.data)),
        lambda: check_space(folders.data, shutil.disk_usage(_existing(folders.data)).free),
        lambda: check_clock(settings.clock, is_test_data=folders.is_test_data),
        lambda: check_port(settings.host, settings.port),
    ]
    return list(_failing(checks))


def check_clock(clock: str | None, *, is_test_data: bool) -> None:
    """Raise StartFailure where MEWAYZ_CLOCK is wrong, or real data is not to be bent."""
    try:
        clock_from(clock, test_data=is_test_data)
    except ValueError as error:
        raise StartFailure(str(error), "./justw up without MEWAYZ_CLOCK") from None


def check_port(host: str, port: int) -> None:
    """Raise PortTaken if another program listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            raise StartFailure(f"Port {port} needs root's rights.", "./justw up --port 8000") from None
        except OSError:
            raise PortTaken(port) from None


def check_writable(data: Path) -> None:
    """Raise UnusableFolder if nothing can be written at `data`."""
    place = _existing(data)
    if not place.is_dir():
        raise UnusableFolder(f"{place} is no folder.", "./justw up --data FOLDER")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UnusableFolder(f"{place} can't be written to by uid {os.geteuid()}.", "./justw up --data FOLDER")


def check_file_system(data: Path, kind: str) -> None:
    """Raise UnusableFolder if file locks don't work on file systems of this `kind`."""
    if kind in _UNFIT:
        raise UnusableFolder(
            f"{data} cannot hold a database: it is {_UNFIT[kind]} ({kind}), file locks do not work.",
            "./justw up --data ~/mewayz-data",
        )


def check_space(data: Path, free_bytes: int) -> None:
    """Raise NoSpace if less than 600 MB are free."""
    free_mb = free_bytes // 10**6
    if free_mb < _NEEDED_MB:
        raise NoSpace(_existing(data), free_mb=free_mb, needed_mb=_NEEDED_MB)


def file_system(path: Path) -> str:
    """Return the kind of file system that holds `path`, as /proc/mounts has it; empty where that can't be told."""
    mounts = Path("/proc/mounts")
    lines = mounts.read_text().splitlines() if mounts.exists() else []
    found = [(fields[1], fields[2]) for line in lines if (fields := line.split()) and path.is_relative_to(fields[1])]
    return max(found, key=lambda mount: len(mount[0]), default=("", ""))[1]


def _failing(checks: list[Callable[[], None]]) -> Iterator[StartFailure]:
    for check in checks:
        try:
            check()
        except StartFailure as failure:
            yield failure


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())
