"""Runs a module: `serve` blocks until SIGTERM, then finishes what is in hand."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Generator

import msgspec
import structlog
import uvicorn
import uvloop
from nats.aio.client import Client

from shared.clock import clock_from
from shared.commands.queue import CommandQueue
from shared.database.address import Address
from shared.database.engine import connect_app
from shared.database.faults import is_transient
from shared.database.transaction import Database
from shared.events.consumer import Consumer
from shared.events.lease import Lease, LeaseLost, take_lease
from shared.events.relay import Relay
from shared.events.schedule import Scheduler
from shared.events.tenants import TenantFeed
from shared.hosting.activity import Activity, CountedEndpoint
from shared.hosting.endpoint import Endpoint
from shared.hosting.queued import QueuedCommands
from shared.hosting.secrets import RouterKeys, address_of, stay_connected
from shared.module import Module, load
from shared.wire.bootstrap import ModuleBootstrap
from shared.wire.heartbeat import Beat
from shared.wire.jetstream import PublishFailed, connect
from shared.wire.log import configure_log
from shared.wire.renewal import Told

log = structlog.get_logger()
_BEAT_S = 1.0
_DRAIN_S = 10
_PAUSE_S = 0.5
_GONE_S = 40  # longer than all that is waited for in order


def serve(bootstrap: ModuleBootstrap, listener: socket.socket) -> None:
    """Serve a module on `listener` until SIGTERM or SIGINT; requests and events in hand are finished first.

    A Beat is written to `bootstrap.heartbeat_fd` when the module is ready, each second from then on, and at the end.
    """
    configure_log(bootstrap.log_level)
    uvloop.run(_Process(bootstrap, listener).run())


class _Process:
    def __init__(self, bootstrap: ModuleBootstrap, listener: socket.socket) -> None:
        self._bootstrap = bootstrap
        self._listener = listener
        self._module: Module = load(bootstrap.module)
        self._clock = clock_from(bootstrap.clock, test_data=bootstrap.test_data)
        self._activity = Activity()
        self._server: uvicorn.Server | None = None
        self._is_ending = False

    async def run(self) -> None:
        bootstrap, module = self._bootstrap, self._module
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._end)
        told = Told(bootstrap)
        client = await connect(
            bootstrap.nats_url,
            user=lambda: told.now.nats_user,
            password=lambda: told.now.nats_password,
            name=module.slug,
        )
        relay = Relay(client)
        app = address_of(told, lambda now: now.database_url)
        database = Database(connect_app(app, module.slug), module.slug, self._clock, relay.wake)
        extras = {
            name: connect_app(address_of(told, _extra(name)), module.slug, pool_size=1) for name in bootstrap.extra_urls
        }
        keys = RouterKeys(told)
        endpoint = Endpoint(module, database, self._clock, keys, bootstrap, extras)
        consumer = Consumer(client, database, module.subscriptions) if module.subscriptions else None
        roles = {
            name: Database(extras[name], module.slug, self._clock, relay.wake)
            for name in {job.mark.role for job in module.jobs if job.mark.role}
        }
        scheduler = Scheduler(database, module.jobs, roles) if module.jobs else None
        execute = QueuedCommands(endpoint.documents, database, self._clock, keys, self._activity)
        delivery = Delivery(
            address_of(told, lambda now: now.relay_url),
            module.slug,
            client=client,
            relay=relay,
            consumer=consumer,
            scheduler=scheduler,
            commands=CommandQueue(client, module.slug, self._clock, execute) if module.takes_queued else None,
        )
        server = _server(CountedEndpoint(endpoint, self._activity))
        async with asyncio.TaskGroup() as tasks:
            delivering = tasks.create_task(delivery.run())
            beating = tasks.create_task(self._beat(server, scheduler))
            leaning = [tasks.create_task(one.keep_lean()) for one in (database, *roles.values())]
            renewing = tasks.create_task(stay_connected(client, told))
            self._server = server
            server.should_exit = self._is_ending
            await server.serve(sockets=[self._listener])
            await delivery.drain()
            for task in (renewing, *leaning, beating, delivering):
                task.cancel()
        settled = await delivery.finish()
        due_at = scheduler.next_due if scheduler else None
        self._write(Beat(due_at=due_at, at=self._clock.now(), settled=settled))
        await client.close()
        await database.close()
        for engine in extras.values():
            await engine.dispose()

    def _end(self) -> None:
        signal.alarm(_GONE_S)  # the kernel's word, whatever hangs: there may be no supervisor any more to end us
        self._is_ending = True
        if self._server is not None:
            self._server.should_exit = True

    async def _beat(self, server: uvicorn.Server, scheduler: Scheduler | None) -> None:
        while not server.started:  # noqa: ASYNC110
            await asyncio.sleep(0.005)  # uvicorn has no event for it
        while True:
            due_at = scheduler.next_due if scheduler else None
            may_sleep = scheduler is None or due_at is not None
            self._write(Beat(idle_s=self._activity.idle_s if may_sleep else 0.0, due_at=due_at))
            await asyncio.sleep(_BEAT_S)

    def _write(self, beat: Beat) -> None:
        descriptor = self._bootstrap.heartbeat_fd
        if descriptor is not None:
            with contextlib.suppress(
                BrokenPipeError, BlockingIOError
            ):  # the supervisor is gone; a new one will find us
                os.write(descriptor, msgspec.json.encode(beat) + b"\n")


class Delivery:
    """Events in and out, while this process holds the module's lease."""

    def __init__(
        self,
        url: str | Address,
        slug: str,
        *,
        client: Client,
        relay: Relay,
        consumer: Consumer | None,
        scheduler: Scheduler | None = None,
        commands: CommandQueue | None = None,
    ) -> None:
        self._url = url
        self._relay = relay
        self._tenants = TenantFeed(client)
        self._consumer = consumer
        self._scheduler = scheduler
        self._commands = commands
        self._slug = slug
        self._client = client
        self._lease: Lease | None = None
        self._is_over = False

    async def run(self) -> None:
        while not self._is_over:
            try:
                self._lease = await take_lease(self._url, self._slug)
                await self._with(self._lease)
            except Exception as error:
                if self._is_over:
                    return
                if not _passes(error):
                    raise
                log.warning("delivery_restarts", module=self._slug, error=_first(error))
                await self._release()
            await asyncio.sleep(_PAUSE_S)

    async def _with(self, lease: Lease) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._relay.run(lease))
            tasks.create_task(self._tenants.run(lease))
            await self._tenants.caught_up.wait()
            if self._scheduler is not None:
                tasks.create_task(self._scheduler.run(lease))
            if self._commands is not None:
                tasks.create_task(self._commands.run())
            if self._consumer is not None:
                tasks.create_task(self._consumer.run(lease))

    def end(self) -> None:
        """Begin nothing anew. `run` is to be cancelled now; a task group loses that where one of its tasks fails meanwhile."""
        self._is_over = True

    async def drain(self) -> None:
        """Apply what was taken in, and take no more; what isn't done in 10 s is delivered again at the next start."""
        draining = [each.drain() for each in (self._consumer, self._commands) if each is not None]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*draining), _DRAIN_S)

    async def finish(self) -> bool:
        """Send what the last requests left, then let another process have the lease; return whether all was sent."""
        is_sent = False
        if self._lease is not None:
            with contextlib.suppress(LeaseLost, OSError):
                await self._relay.drain(self._lease)
                is_sent = not await self._lease.fetch("select from kit.outbox limit 1")
            await self._release()
        return is_sent

    async def _release(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            await lease.release()


def _passes(error: BaseException) -> bool:
    """Return whether delivery may begin anew: another process has the lease, a server is away, a disk is full."""
    if isinstance(error, BaseExceptionGroup):
        inner: list[BaseException] = list(error.exceptions)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
        return all(map(_passes, inner))
    return isinstance(error, LeaseLost | PublishFailed) or is_transient(error)


def _first(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        inner: list[BaseException] = list(error.exceptions)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
        return _first(inner[0])
    return f"{type(error).__name__}: {error}"


def _extra(name: str) -> Callable[[ModuleBootstrap], str]:
    return lambda now: now.extra_urls[name]


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to us: uvicorn would raise them again when it is done, and delivery isn't done then."""
        yield


def _server(endpoint: CountedEndpoint) -> uvicorn.Server:
    return _Server(
        uvicorn.Config(
            endpoint,
            loop="none",
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=False,
            backlog=1024,
            timeout_keep_alive=300,
            timeout_graceful_shutdown=_DRAIN_S,
        )
    )
