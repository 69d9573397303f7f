"""Where a running platform keeps its things: the data folder, and the run folder for sockets."""

import fcntl
import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mewayz.failures import AlreadyRunning, NewerData, UnusableFolder

DATA_VERSION = 1
_LONGEST_RUN_FOLDER = 80  # bytes; a socket's path holds 107, and `/postgres/.s.PGSQL.5432` comes behind


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders of one platform; all of mode 0700."""

    data: Path
    run: Path

    @property
    def postgres(self) -> Path:
        """The database cluster."""
        return self.data / "postgres"

    @property
    def postgres_socket(self) -> Path:
        """The folder of PostgreSQL's socket."""
        return self.run / "postgres"

    @property
    def nats(self) -> Path:
        """JetStream's store and the server's configuration."""
        return self.data / "nats"

    @property
    def secrets(self) -> Path:
        """Passwords, one a file of mode 0600."""
        return self.data / "secrets"

    @property
    def log(self) -> Path:
        """One log a process."""
        return self.data / "log"

    @property
    def modules(self) -> Path:
        """What is known of each module from the last start."""
        return self.data / "modules"

    @property
    def control_socket(self) -> Path:
        """The supervisor's control socket."""
        return self.run / "supervisor.sock"

    @property
    def is_test_data(self) -> bool:
        """Whether `<data>/TEST` marks this as data that tests may bend, such as its clock."""
        return (self.data / "TEST").exists()

    def module_socket(self, slug: str) -> Path:
        """Return the socket of module `slug`."""
        return self.run / f"{slug}.sock"

    def create(self) -> None:
        """Make every folder that is missing, and write the data version. Raises UnusableFolder."""
        try:
            for folder in (self.data, self.run, self.postgres_socket, self.nats, self.secrets, self.log, self.modules):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UnusableFolder(
                f"{error.filename} can't be made: {error.strerror}.", "./justw up --data FOLDER"
            ) from None
        _refuse_foreign(self.run)
        version = self.data / "VERSION"
        if not version.exists():
            version.write_text(f"{DATA_VERSION}\n")

    def check_version(self) -> None:
        """Raise NewerData if a newer release wrote the data folder."""
        for path, known in ((self.data / "VERSION", DATA_VERSION), (self.postgres / "PG_VERSION", 18)):
            found = path.read_text().strip() if path.exists() else str(known)
            if not found.isdigit() or int(found) > known:
                what = "PostgreSQL" if path.name == "PG_VERSION" else "data version"
                raise NewerData(self.data, found=f"{what} {found}", known=f"{what} {known}")


def folders_of(data: Path | str) -> Folders:
    """Return the folders of the platform whose data lies in `data`.

    The run folder is `<data>/run` where that stays under 80 bytes, else one of its own under XDG_RUNTIME_DIR or the
    temp folder. Raises UnusableFolder if no socket path is short enough.
    """
    data = Path(data).expanduser().resolve()
    name = "mewayz-" + hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    runtime = os.getenv("XDG_RUNTIME_DIR")
    candidates = [data / "run", *([Path(runtime) / name] if runtime else []), Path(tempfile.gettempdir()) / name]
    for run in candidates:
        if len(os.fsencode(run)) < _LONGEST_RUN_FOLDER:
            return Folders(data, run)
    raise UnusableFolder(
        f"The path {candidates[-1]} is too long for a socket: it may have {_LONGEST_RUN_FOLDER - 1} bytes.",
        "TMPDIR=/tmp ./justw up, or --data with a shorter path",
    )


class Lock:
    """The right to run a platform on a data folder: a file lock, free again when its holders are gone."""

    def __init__(self, folders: Folders) -> None:
        """Name the lock; nothing is taken yet."""
        self.path = folders.data / "lock"
        self._fd: int | None = None

    def take(self, holder: str) -> int:
        """Take the lock, write `holder` into it, return its descriptor, to be inherited. Raises AlreadyRunning."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise AlreadyRunning(self.holder()) from None
        os.ftruncate(fd, 0)
        os.write(fd, holder.encode())
        self._fd = fd
        return fd

    def wait_until_free(self) -> None:
        """Wait until nobody holds the lock."""
        with self.path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)

    def is_taken(self) -> bool:
        """Return whether somebody holds the lock."""
        if not self.path.exists():
            return False
        with self.path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def holder(self) -> str:
        """Return what the holder wrote about itself."""
        return self.path.read_text().strip() or "starting"


def _refuse_foreign(run: Path) -> None:
    # A folder under the temp folder could have been put there by another user.
    found = run.stat()
    if found.st_uid != os.geteuid():
        raise UnusableFolder(f"{run} belongs to another user.", f"remove it, or set TMPDIR (uid {os.geteuid()})")
    if stat.S_IMODE(found.st_mode) & 0o077:
        run.chmod(0o700)


def write_whole(path: Path, content: bytes, *, sync: bool = False) -> None:
    """Write a file of mode 0600 so that a crash of ours leaves the old one or the new one, whole.

    With `sync` what is written is on disk before it takes its name; for the name itself there is `sync_names`.
    """
    draft = path.with_name(f".{path.name}.new")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    draft.replace(path)


def sync_names(folder: Path) -> None:
    """Have on disk which names a folder holds."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
