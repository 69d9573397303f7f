"""Exchanges secrets while the platform runs, in an order in which a crash at any point leaves everybody able to work.

Whoever checks a secret knows the new one before anybody uses it, and the old one as long as anybody may (ADR 0024). What
was begun shows in `<data>/secrets`, as passwords with a successor, and is brought to its end by `finish` at the next start.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress

import anyio
import msgspec

from mewayz.folders import Folders
from mewayz.passwords import QUEUED_S, Passwords, RouterKey
from mewayz.runtime.fork import JobInterrupted, ZygoteGone
from mewayz.runtime.forks import Errand, Forks
from mewayz.runtime.orders import Change, Key
from mewayz.runtime.preparation import Preparation
from mewayz.runtime.process_files import ROUTER, forget_process_files, process_file, write_process_file
from mewayz.servers.external import ExternalNats, ExternalPostgres
from mewayz.servers.nats import NATS_PASSWORD, Nats
from mewayz.servers.postgres import ADMIN, ADMIN_PASSWORD, Postgres
from shared.errors import InvalidInput, Unavailable
from shared.wire.bootstrap import RouterBootstrap
from shared.wire.control import Secret

_MOVED_S = 5.0  # processes look each second, and leave their connection to NATS 2.5 s later
_TRIES = 40
_AGAIN_S = 0.5
_ROLE = "role-"


class NotOurs(InvalidInput):
    """The secret is another one's to exchange."""

    code = "NOT_OURS"


class NotKept(Unavailable):
    """A secret can't be written."""

    code = "NOT_KEPT"

    def __init__(self, error: OSError) -> None:
        """Tell what the system says."""
        super().__init__(f"A secret can't be kept ({error}): make room in the data folder, then rotate again.")


class Rotation:
    """Exchanges the secrets of one platform; one exchange at a time."""

    def __init__(
        self,
        folders: Folders,
        passwords: Passwords,
        *,
        postgres: Postgres | ExternalPostgres,
        nats: Nats | ExternalNats,
        forks: Forks,
        preparation: Preparation,
        sign_with: Callable[[RouterKey], RouterBootstrap],
    ) -> None:
        """Take what runs; `sign_with` has routers sign with another key from now on, and returns what they are told."""
        self._folders = folders
        self._passwords = passwords
        self._postgres = postgres
        self._nats = nats
        self._forks = forks
        self._turn = anyio.Lock()
        self._preparation = preparation
        self._sign_with = sign_with

    async def rotate(self, what: Secret) -> str:
        """Exchange the secrets of one kind, and say in words what was done.

        Raises NotOurs, Unavailable: what was begun then, is brought to its end when that is asked for again.
        """
        async with self._turn:
            try:
                match what:
                    case Secret.ROUTER_KEY:
                        return await self._router_key()
                    case Secret.DATABASES:
                        return await self._databases()
                    case Secret.NATS:
                        return await self._users()
            except OSError as error:
                raise NotKept(error) from error

    async def finish(self, running: Iterable[str] | None) -> None:
        """Tell the processes that an earlier supervisor left, of the modules `running` and the router, what they may not
        know yet, and bring to its end what was begun with passwords of databases. None: there was no such supervisor.

        Raises Unavailable: everybody goes on with the one password or the other.
        """
        if running is None:
            forget_process_files(self._folders, ())
        else:
            self._tell(*running)
        if self._heirs():
            async with self._forks.paused() as errand:
                await self._change_passwords(errand)

    async def finish_users(self) -> None:
        """Bring an exchange of NATS users to its end, if one was begun."""
        while isinstance(self._nats, Nats) and self._nats.is_exchanging():
            async with self._turn:
                with suppress(Unavailable, OSError):  # it died, and is started again by whoever keeps it
                    await self._move_users(self._nats)
                    return
            await anyio.sleep(_AGAIN_S)

    async def _router_key(self) -> str:
        async with self._forks.paused() as errand:  # a job may hold the key, or read it: modules must know it first
            order = msgspec.json.encode(Key(str(self._folders.secrets), exchange=True))
            async with errand("key", "platform", order, self._folders.log / "platform.log") as fork:
                await fork.result()
            self._tell()
        return f"routers sign with {self._preparation.router_key.kid}; the key before it counts a minute longer"

    async def _databases(self) -> str:
        names = self._passwords.names(_ROLE)
        if isinstance(self._postgres, Postgres):
            names.append(ADMIN_PASSWORD)
        async with self._forks.paused() as errand:
            for name in names:
                self._passwords.make_successor(name)
            self._tell()
            await self._change_passwords(errand)
        administrator = " and the administrator" if isinstance(self._postgres, Postgres) else ""
        return f"{len(self._passwords.names(_ROLE))} roles{administrator} have another password"

    async def _change_passwords(self, errand: Errand) -> None:
        """Give roles the successors of their passwords, which everybody knows, and forget the old ones."""
        heirs = self._heirs()
        order = Change(self._postgres.admin_urls, str(self._folders.secrets), {_role(name): name for name in heirs})
        for attempt in range(_TRIES):
            try:
                log = self._folders.log / "platform.log"
                async with errand("change", "platform", msgspec.json.encode(order), log) as fork:
                    await fork.result()
                break
            except (JobInterrupted, ZygoteGone):
                if attempt == _TRIES - 1:
                    raise
                await anyio.sleep(_AGAIN_S)
        for name in heirs:
            self._passwords.succeed(name)
        self._tell()

    async def _users(self) -> str:
        if not isinstance(self._nats, Nats):
            raise NotOurs("The NATS server is none of ours: change its users there, then give --nats-url anew.")
        await self._nats.begin_exchange()
        await self._move_users(self._nats)
        return f"{len(self._passwords.names(NATS_PASSWORD))} users have another name and password; the old ones are refused"

    async def _move_users(self, nats: Nats) -> None:
        """Have all connect as their new users, which NATS knows, then let nobody in as an old one."""
        self._tell()
        await anyio.sleep(_MOVED_S)
        async with self._forks.paused():
            await nats.end_exchange()

    def _tell(self, *running: str) -> None:
        """Tell the modules, then the router, their secrets as they are: who checks a key before who signs with it.

        Until the router has the key that modules know, the one before counts without haste: the disk may be full.
        """
        key = self._passwords.router_key()
        assert key is not None, "it is made at the first start"
        self._preparation.router_key = key
        if not self._router_knows(key):
            self._preparation.renew(*running, former_s=QUEUED_S)
        write_process_file(self._folders, ROUTER, self._sign_with(key))
        self._preparation.renew(*running)

    def _router_knows(self, key: RouterKey) -> bool:
        told = process_file(self._folders, ROUTER)
        return told.exists() and key.private in told.read_text()

    def _heirs(self) -> list[str]:
        """Return what passwords of roles are called that have a successor, the administrator's behind them."""
        return [*self._passwords.heirs(_ROLE), *self._passwords.heirs(ADMIN_PASSWORD)]


def _role(name: str) -> str:
    return ADMIN if name == ADMIN_PASSWORD else f"mewayz_{name.removeprefix(_ROLE)}"
