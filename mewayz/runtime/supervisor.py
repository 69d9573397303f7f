"""The supervisor: starts servers, zygote, router and modules, keeps them running, and answers on the control socket."""

import math
import os
import signal
import sys
import time

import anyio
import msgspec

from mewayz.failures import ServerFailed, StartFailure
from mewayz.folders import Folders, folders_of
from mewayz.modules import REPOSITORY, chosen, module_folders, slugs
from mewayz.passwords import QUEUED_S, Passwords, RouterKey
from mewayz.progress import Failed, Ready, Report, Step, Stopped, Trouble
from mewayz.runtime.activation import Activation
from mewayz.runtime.answers import Answers
from mewayz.runtime.auditing import Auditing
from mewayz.runtime.control import Control
from mewayz.runtime.demo import DemoPlanting
from mewayz.runtime.disk import DiskWatch
from mewayz.runtime.fork import JobFailed
from mewayz.runtime.forks import Forks
from mewayz.runtime.logins import demo_logins
from mewayz.runtime.module_process import ModuleProcess
from mewayz.runtime.orders import Key
from mewayz.runtime.preparation import Preparation
from mewayz.runtime.process_files import ROUTER, process_file
from mewayz.runtime.records import Records
from mewayz.runtime.rotation import Rotation
from mewayz.runtime.router_process import RouterProcess
from mewayz.servers.child import become_reaper, reap_strangers
from mewayz.servers.external import ExternalNats, ExternalPostgres
from mewayz.servers.nats import GATEWAY, Nats, gateway_user, module_user
from mewayz.servers.postgres import Postgres
from mewayz.settings import Charge
from shared.clock import clock_from
from shared.errors import Unavailable
from shared.wire.bootstrap import RouterBootstrap
from shared.wire.control import ModuleState, States

_STARTS_AT_ONCE = 8
_ROUTER_S = 10.0
_TELL_S = 5.0
_SETTLED = (ModuleState.READY, ModuleState.ASLEEP, ModuleState.PARKED, ModuleState.STOPPED)


class Supervisor:
    """One platform on one machine."""

    def __init__(self, charge: Charge, folders: Folders) -> None:
        """Take what it is told, and folders, which exist; nothing is started."""
        settings, passwords, lifeline = charge.settings, Passwords(folders.secrets), charge.lifeline[0]
        self._settings = settings
        self._is_successor = charge.is_successor
        self._folders = folders
        self._passwords = passwords
        self._key = passwords.router_key()
        self._clock = clock_from(settings.clock, test_data=folders.is_test_data)
        database, broker = settings.database_url, settings.nats_url
        chosen_slugs = chosen(slugs(module_folders(settings.modules_from)), settings.modules)
        # Autovacuum visits one database after the other: with 208, a minute for all would be four processes a second.
        naptime = {"autovacuum_naptime": f"{max(60, 2 * len(chosen_slugs))}s"}
        self._postgres = (
            ExternalPostgres(database)
            if database
            else Postgres(folders, passwords, lifeline=lifeline, settings=naptime)
        )
        self._nats = ExternalNats(broker) if broker else Nats(folders, passwords, lifeline=lifeline)
        self._records = Records(folders.modules, settings.modules_from, servers=f"{database} {broker}")
        self._forks = Forks(folders.log / "zygote.log", settings.modules_from, lifeline, failing=_tell_of_zygote)
        self._router = RouterProcess(
            self._router_bootstrap,
            forks=self._forks,
            log=folders.log / "router.log",
            pid_file=folders.run / "router.pid",
        )
        limit = anyio.CapacityLimiter(min(_STARTS_AT_ONCE, 2 * (os.cpu_count() or 1)))
        self._modules = {
            slug: ModuleProcess(
                slug,
                forks=self._forks,
                limit=limit,
                folders=folders,
                records=self._records,
                memory_mb=settings.memory_mb,
                changed=self._change,
            )
            for slug in chosen_slugs
        }
        self._next_change = anyio.Event()
        self._stopping = anyio.Event()
        self._answers = Answers(
            settings,
            folders,
            modules=self._modules,
            router=self._router,
            postgres=self._postgres,
            nats=self._nats,
            forks=self._forks,
            key=lambda: self._key,
            shut_down=self._stopping.set,
        )
        self._auditing = self._answers.auditing = Auditing(self._answers.operate, tell=tell, clock=self._clock)

    async def run(self) -> int:
        """Run until told to stop; return the exit code."""
        exit_code = 0
        started = stopped = time.monotonic()
        self._inherit()
        control = Control(
            self._folders.control_socket, answer=self._answers, states=self._states, changed=lambda: self._next_change
        )
        async with control.serve(), anyio.create_task_group() as tasks:
            tasks.start_soon(self._stop_on_signal)
            tasks.start_soon(self._stop_when_orphaned)
            try:
                await self._start(tasks, started)
                await self._stopping.wait()
            except* StartFailure as group:
                exit_code = _tell_failure(group.exceptions[0])
            stopped = time.monotonic()
            await self._stop_modules()
            tasks.cancel_scope.cancel()
        await self._nats.stop()
        await self._postgres.stop()
        if exit_code == 0:
            tell(Stopped(time.monotonic() - stopped))
        return exit_code

    async def _start(self, tasks: anyio.abc.TaskGroup, started: float) -> None:
        tasks.start_soon(self._forks.run)
        async with anyio.create_task_group() as servers:
            servers.start_soon(self._start_postgres, tasks)
            servers.start_soon(self._start_nats, tasks)
            servers.start_soon(self._make_key)
            if not self._is_successor:
                servers.start_soon(self._load_ahead)
        assert self._key is not None
        preparation = Preparation(
            self._settings,
            self._folders,
            admin_url=lambda: self._postgres.admin_url,
            nats=self._nats,
            forks=self._forks,
            records=self._records,
            router_key=self._key,
            tell=tell,
        )
        rotation = Rotation(
            self._folders,
            self._passwords,
            postgres=self._postgres,
            nats=self._nats,
            forks=self._forks,
            preparation=preparation,
            sign_with=self._sign_with,
        )
        await self._finish_rotation(rotation)
        tasks.start_soon(rotation.finish_users)
        tasks.start_soon(self._router.run)
        tasks.start_soon(self._reap)
        tasks.start_soon(DiskWatch(self._nats, self._folders.nats, tell=tell).run)
        for module in self._modules.values():
            if self._settings.starts_all(len(self._modules)):
                module.wake()
            tasks.start_soon(module.run, preparation)
        activation = Activation(
            self._modules.values(),
            self._records,
            clock=self._clock,
            idle_s=self._settings.idle_s,
            admin_url=lambda: self._nats.admin_url,
        )
        tasks.start_soon(activation.run)
        demo = DemoPlanting(self._settings, self._folders, self._forks, preparation, wake=self._answers.wake)
        tasks.start_soon(self._report_start, tasks, started, demo)

    async def _finish_rotation(self, rotation: Rotation) -> None:
        """Bring an exchange of secrets to its end, before anybody starts with those it leaves behind."""
        try:
            adopted = [slug for slug, module in self._modules.items() if module.is_adopted]
            await rotation.finish(adopted if self._is_successor else None)
        except (Unavailable, OSError) as error:  # a database that is away, a disk that is full
            remedy = "./justw secrets rotate  does so"
            tell(Trouble(f"An exchange of secrets is not brought to its end: {error}", remedy))
        self._answers.rotation = rotation

    async def _load_ahead(self) -> None:
        """Have the zygote load what is started now and came up before, so that router and modules share its memory."""
        if self._settings.starts_all(len(self._modules)):
            for slug in self._modules:
                if self._records.fitting(slug) is not None:
                    await self._forks.load(slug)

    async def _start_postgres(self, tasks: anyio.abc.TaskGroup) -> None:
        started = time.monotonic()
        is_new = await (self._restart("PostgreSQL", self._postgres) if self._is_successor else self._postgres.start())
        if is_new:
            self._records.forget_all()
        tell(Step("postgres", time.monotonic() - started, "new" if is_new else ""))
        tasks.start_soon(self._keep, "PostgreSQL", self._postgres)

    async def _start_nats(self, tasks: anyio.abc.TaskGroup) -> None:
        started = time.monotonic()
        known = [record.description for slug in self._modules if (record := self._records.fitting(slug))]
        if not self._is_successor:
            await self._nats.end_exchange()  # nobody is connected
        users = (module_user(one.slug, one.publishes, takes_queued=one.takes_queued) for one in known)
        await self._nats.allow(gateway_user(), *users)
        if await (self._restart("NATS", self._nats) if self._is_successor else self._nats.start()):
            self._records.forget_all()
        tell(Step("nats", time.monotonic() - started, self._nats.url))
        tasks.start_soon(self._keep, "NATS", self._nats)

    async def _report_start(self, tasks: anyio.abc.TaskGroup, started: float, demo: DemoPlanting) -> None:
        """Tell how the start went, once no module is on its way and the API answers."""
        told = time.monotonic()
        while (settled := sum(module.state in _SETTLED for module in self._modules.values())) < len(self._modules):
            await self._next_change.wait()
            if time.monotonic() > told + _TELL_S:
                told = time.monotonic()
                tell(Step("modules so far", told - started, f"{settled} of {len(self._modules)}"))
        ready = [slug for slug, module in self._modules.items() if module.state is ModuleState.READY]
        asleep = f", {len(self._asleep())} asleep" if self._asleep() else ""
        tell(Step("modules", time.monotonic() - started, f"{len(ready)} of {len(self._modules)} ready{asleep}"))
        for slug, module in self._modules.items():
            if module.state is ModuleState.PARKED:
                others = f"{len(ready)} other modules run"
                tell(
                    Trouble(f"{slug} is parked: {module.reason}. {others}.", f"./justw start {slug}  after the repair")
                )
        patience = time.monotonic() + _ROUTER_S
        while not await self._router.answers():
            if time.monotonic() > patience:
                tell(Trouble("The router doesn't answer.", f"why: {self._folders.log / 'router.log'}"))
                patience = math.inf
            await anyio.sleep(0.05)
        tell(Step("router", time.monotonic() - started, self._settings.address))
        if self._is_successor:  # who died meanwhile has been forked before the zygote is busy with that
            tasks.start_soon(self._load_ahead)
        tasks.start_soon(self._forks.keep_loaded, self._asleep)  # so that waking one is quick
        is_first = demo.is_wanted
        if is_first:
            try:
                await demo.run(tell)
            except* JobFailed as failed:
                tell(Trouble(f"The demo data is incomplete: {failed.exceptions[0]}", "./justw up  tries again"))
        tasks.start_soon(self._auditing.run)
        logins = demo_logins(self._folders.secrets)
        tell(Ready(self._settings.address, time.monotonic() - started, logins, is_first))

    async def _keep(self, name: str, server: Postgres | Nats | ExternalPostgres | ExternalNats) -> None:
        """Start a server again whenever it dies."""
        while True:
            await server.ended()
            await self._restart(name, server)
            if server is self._nats:
                self._auditing.nats_started()
            tell(Trouble(f"{name} had died and runs again.", f"why: {self._folders.log}"))

    async def _restart(self, name: str, server: Postgres | Nats | ExternalPostgres | ExternalNats) -> bool:
        """Start a server of a platform that runs, until it does; tell of each reason once. Return whether it is new."""
        told = ""
        while True:
            try:
                return await server.start()
            except (ServerFailed, OSError) as failure:  # killed once more, or its disk is full
                reason = failure.message if isinstance(failure, ServerFailed) else str(failure)
                if reason != told:
                    told = reason
                    tell(Trouble(f"{name} does not start again: {reason}", f"why: {self._folders.log}"))
                await anyio.sleep(1)

    async def _reap(self) -> None:
        with anyio.open_signal_receiver(signal.SIGCHLD) as signals:
            async for _ in signals:
                reap_strangers()

    async def _stop_modules(self) -> None:
        """Stop the router first: what is in flight still finds its modules."""
        await self._router.stop()
        async with anyio.create_task_group() as stops:
            for module in self._modules.values():
                stops.start_soon(module.stop)

    async def _stop_on_signal(self) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                self._stopping.set()

    async def _stop_when_orphaned(self) -> None:
        """Stop when `up` is gone, however it ended: its end of our standard input is closed then."""
        while True:
            await anyio.wait_readable(sys.stdin)
            if not os.read(sys.stdin.fileno(), 4096):
                self._stopping.set()
                return

    def _inherit(self) -> None:
        """Take over what a supervisor who died had started; a first one only finds marks that mean nothing any more."""
        if not self._is_successor:
            for mark in self._folders.run.glob("*.down"):
                mark.unlink()
            return
        for process in (self._postgres, self._nats, self._router, *self._modules.values()):
            process.adopt()

    def _asleep(self) -> list[str]:
        return [slug for slug, module in self._modules.items() if module.state is ModuleState.ASLEEP]

    def _states(self) -> States:
        retries = {slug: module.retry_after_s for slug, module in self._modules.items()}
        return States(
            states={slug: module.state for slug, module in self._modules.items()},
            retry_after_ms={slug: int(seconds * 1000) for slug, seconds in retries.items() if seconds is not None},
        )

    def _change(self) -> None:
        self._next_change.set()
        self._next_change = anyio.Event()

    async def _make_key(self) -> None:
        """Have the routers' key made in a process of its own: the supervisor keeps no cryptography in memory."""
        if self._key is None:
            log = self._folders.log / "platform.log"
            order = msgspec.json.encode(Key(str(self._folders.secrets)))
            async with self._forks.fork("key", "platform", order, log) as fork:
                await fork.result()
            self._key = self._passwords.router_key()

    def _sign_with(self, key: RouterKey) -> RouterBootstrap:
        self._key = key
        return self._router_bootstrap()

    def _router_bootstrap(self) -> RouterBootstrap:
        assert self._key is not None
        settings, folders = self._settings, self._folders
        nats_user, nats_password = self._nats.credentials(GATEWAY)
        return RouterBootstrap(
            host=settings.host,
            port=settings.port,
            supergraph=str(settings.supergraph or REPOSITORY / "schema" / "supergraph.graphql"),
            data=str(folders.data),
            module_url=f"unix:{folders.run}/{{slug}}.sock",
            supervisor_socket=str(folders.control_socket),
            signing_key=self._key.private,
            former_keys=self._key.former_keys(QUEUED_S),
            renewed=str(process_file(folders, ROUTER)),
            edge=settings.edge,
            metrics_token=settings.metrics_token,
            nats_url=self._nats.url,
            nats_user=nats_user,
            nats_password=nats_password,
            clock=settings.clock,
            test_data=folders.is_test_data,
            log_level=settings.log_level,
        )


def tell(report: Report) -> None:
    """Send a report to `up`, one JSON object a line."""
    try:
        os.write(sys.stdout.fileno(), msgspec.json.encode(report) + b"\n")
    except BrokenPipeError:  # `up` is gone: _stop_when_orphaned sees it too
        return


def _tell_of_zygote(reason: str) -> None:
    tell(Trouble(f"No module can start: {reason}.", "mend the code that it names; it is tried again all the time"))


def main() -> int:
    """Read the settings from the first line of standard input, and run."""
    charge = msgspec.json.decode(sys.stdin.buffer.readline(), type=Charge)
    for descriptor in charge.lifeline:
        os.set_inheritable(descriptor, False)
    become_reaper()  # of modules whose zygote died
    return anyio.run(_run, charge, folders_of(charge.settings.data))


async def _run(charge: Charge, folders: Folders) -> int:
    return await Supervisor(charge, folders).run()


def _tell_failure(error: BaseException) -> int:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, StartFailure)
    tell(Failed(error.code, error.message, error.remedy, error.exit_code))
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
