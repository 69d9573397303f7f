"""What the supervisor answers on its control socket: what runs, what is to run, sessions, operators' tasks."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from mewayz.folders import Folders
from mewayz.modules import UnknownModule
from mewayz.passwords import RouterKey
from mewayz.runtime.auditing import Auditing
from mewayz.runtime.forks import Forks
from mewayz.runtime.logins import demo_logins
from mewayz.runtime.module_process import ModuleProcess
from mewayz.runtime.orders import Session, Task
from mewayz.runtime.rotation import Rotation
from mewayz.runtime.router_process import RouterProcess
from mewayz.servers.external import ExternalNats, ExternalPostgres
from mewayz.servers.nats import Nats
from mewayz.servers.postgres import Postgres
from mewayz.settings import Settings
from shared.errors import Unavailable
from shared.wire.control import (
    Answer,
    GetBroker,
    GetLogins,
    GetStatus,
    GetToken,
    Operate,
    Request,
    Restart,
    Rotate,
    RouterStatus,
    ServerStatus,
    Shutdown,
    Start,
    Status,
    Stop,
    Wake,
)


class Answers:
    """Answers requests of one platform; `auditing` is told of in its status, `rotation` is there once it has started."""

    def __init__(
        self,
        settings: Settings,
        folders: Folders,
        *,
        modules: Mapping[str, ModuleProcess],
        router: RouterProcess,
        postgres: Postgres | ExternalPostgres,
        nats: Nats | ExternalNats,
        forks: Forks,
        key: Callable[[], RouterKey | None],
        shut_down: Callable[[], None],
    ) -> None:
        """Take all that runs; `key` gives the routers' key once there is one."""
        self._settings = settings
        self._folders = folders
        self._modules = modules
        self._router = router
        self._postgres = postgres
        self._nats = nats
        self._forks = forks
        self._key = key
        self._shut_down = shut_down
        self.auditing: Auditing | None = None
        self.rotation: Rotation | None = None

    async def __call__(self, request: Request) -> Any:
        """Do what is asked and return the answer. Raises what a client is told in a sentence."""
        match request:
            case GetStatus():
                return await self._status()
            case Wake(module) if module in self._modules:
                self.wake(module)
            case Start(module):
                self._module(module).start()
            case Stop(module, kill):
                await self._module(module).stop(kill=kill)
            case Restart(module):
                await self._module(module).stop()
                self._module(module).start()
            case GetToken():
                return await self._session(request)
            case GetBroker():
                return Answer(url=self._nats.admin_url)
            case Operate(_, slug):
                if slug is not None:
                    self._module(slug)
                return Answer(result=await self.operate(request))
            case Rotate(what):
                if self.rotation is None:
                    raise Unavailable("The platform is about to start: try again in a moment.")
                return Answer(result=await self.rotation.rotate(what))
            case GetLogins():
                return Answer(logins=demo_logins(self._folders.secrets))
            case Shutdown():
                self._shut_down()
            case _:
                pass
        return Answer()

    def wake(self, slug: str) -> None:
        """Start a module if it sleeps."""
        self._modules[slug].wake()

    async def operate(self, request: Operate) -> Any:
        """Let a forked job do an operator's task: it has the drivers, and the module's code as it is now.

        Raises JobFailed, JobInterrupted, ZygoteGone.
        """
        settings, folders = self._settings, self._folders
        task = Task(
            admin_url=self._postgres.admin_url,
            nats_admin_url=self._nats.admin_url,
            secrets=str(folders.secrets),
            operate=request,
            clock=settings.clock,
            test_data=folders.is_test_data,
        )
        log = folders.log / "operations.log"
        async with self._forks.fork("operate", request.module or "events", msgspec.json.encode(task), log) as fork:
            return await fork.result()

    async def _status(self) -> Status:
        address = self._settings.address
        return Status(
            api=f"{address}/graphql",
            graphiql=f"{address}/graphiql",
            router=RouterStatus(self._router.pid, await self._router.answers()),
            modules=[module.status for module in self._modules.values()],
            postgres=ServerStatus(self._postgres.pid, self._postgres.url),
            nats=ServerStatus(self._nats.pid, self._nats.url),
            audit=self.auditing.last if self.auditing else None,
        )

    async def _session(self, request: GetToken) -> Answer:
        key, settings, folders = self._key(), self._settings, self._folders
        if key is None:
            raise Unavailable("The platform is about to start: try again in a moment.")
        socket, log = str(folders.module_socket("identity")), folders.log / "platform.log"
        order = Session(request, socket, key.private, settings.clock, folders.is_test_data)
        async with self._forks.fork("session", "platform", msgspec.json.encode(order), log) as fork:
            return msgspec.convert(await fork.result(), Answer)

    def _module(self, slug: str) -> ModuleProcess:
        if slug not in self._modules:
            raise UnknownModule(slug, list(self._modules))
        return self._modules[slug]
