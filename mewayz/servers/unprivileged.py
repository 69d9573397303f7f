"""Who runs PostgreSQL when we are root, which PostgreSQL refuses (contracts.md, "Databases")."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from mewayz.failures import NoUser

_NOBODY = 65534
_NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")


@dataclass(frozen=True, slots=True)
class RunAs:
    """How a command is run as somebody who is not root: a prefix of its arguments, or a uid."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None

    def give(self, *folders: Path) -> None:
        """Give `folders` to the other user, where there is one."""
        if self.uid is not None:
            for folder in folders:
                os.chown(folder, self.uid, self.uid)


def not_root(data: Path) -> RunAs:
    """Return how to run as an ordinary user: as we are, in a user namespace, or as uid 65534. Raises NoUser."""
    if os.geteuid() != 0:
        return RunAs()
    if shutil.which(_NAMESPACE[0]) and _succeeds([*_NAMESPACE, "true"]):
        return RunAs(prefix=_NAMESPACE)
    data.chmod(0o711)  # others may pass through, and see nothing
    if _succeeds(["test", "-x", str(data)], uid=_NOBODY):
        return RunAs(uid=_NOBODY)
    raise NoUser(data)


def _succeeds(argv: list[str], uid: int | None = None) -> bool:
    done = subprocess.run(argv, user=uid, group=uid, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.returncode == 0
