"""What running processes are told anew: a bootstrap in a file each, mode 0600, that a process reads when it changes.

There is none until secrets are rotated. One that is there is right: it wins over what a process was told at its birth.
"""

from collections.abc import Collection
from pathlib import Path

import msgspec

from mewayz.folders import Folders, write_whole
from shared.wire.bootstrap import ModuleBootstrap, RouterBootstrap

ROUTER = "router"  # no module may have this name
_BEGINNING = "process-"


def process_file(folders: Folders, name: str) -> Path:
    """Return where the process of a module, or the router, reads."""
    return folders.secrets / f"{_BEGINNING}{name}.json"


def write_process_file(folders: Folders, name: str, bootstrap: ModuleBootstrap | RouterBootstrap) -> None:
    """Tell a process its bootstrap as it is now; after a crash of the machine nobody reads it, so it isn't synced."""
    path, content = process_file(folders, name), msgspec.json.encode(bootstrap)
    if path.exists() and path.read_bytes() == content:  # a full disk is no matter then
        return
    write_whole(path, content)


def forget_process_files(folders: Folders, but: Collection[str]) -> None:
    """Remove the files of all others than `but`."""
    kept = {process_file(folders, name) for name in but}
    for path in folders.secrets.glob(f"{_BEGINNING}*.json"):
        if path not in kept:
            path.unlink()
