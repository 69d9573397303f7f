"""What the zygote's children do: get a module ready, plant its demo data, or serve it. Runs in a forked process, alone.

Database and broker are talked to here, and not in the supervisor: the zygote has the drivers in memory already.
"""

import contextlib
import socket
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import msgspec
from nats.errors import Error as NatsError

from mewayz.passwords import Passwords
from mewayz.runtime.orders import Admit, Change, Key, Outcome, Plant, Prepare, Provide, Session, Task
from mewayz.servers.databases import change_passwords, make_database
from mewayz.servers.streams import connect, make_consumers, make_streams
from shared.wire.bootstrap import ModuleBootstrap, RouterBootstrap


def provide(module: str, order: bytes, _listener: socket.socket | None, _heartbeat: int | None) -> Any:
    """Make what is missing of the module's database and roles; return the ModuleDatabase. Loads no code of the module."""
    told = msgspec.json.decode(order, type=Provide)
    return anyio.run(make_database, told.admin_url, module, Passwords(Path(told.secrets)))


def admit(_module: str, order: bytes, _listener: socket.socket | None, _heartbeat: int | None) -> Any:
    """Make the streams, and the consumers of some modules. Loads no module."""
    anyio.run(_admit, msgspec.json.decode(order, type=Admit))


async def _admit(told: Admit) -> None:
    client = await connect(told.admin_url)
    await make_streams(client)
    for each in told.modules:
        await make_consumers(client, each.slug, each.subscribes, takes_queued=each.takes_queued)
    await client.close()


def prepare(module: str, order: bytes, _listener: socket.socket | None, _heartbeat: int | None) -> Any:
    """Migrate the module's database and return its ModuleDescription: what it publishes and hears."""
    from shared.database.migrate import migrate
    from shared.module import load

    loaded = load(module)
    url = msgspec.json.decode(order, type=Prepare).owner_url
    anyio.run(migrate, module, loaded.migrations, url)
    return loaded.describe()


def serve(module: str, order: bytes, listener: socket.socket | None, heartbeat: int | None) -> Any:
    """Serve the module on `listener` until SIGTERM, then finish what is in hand."""
    from shared import hosting

    assert listener is not None, "a served module has a socket"
    bootstrap = msgspec.json.decode(order, type=ModuleBootstrap)
    assert bootstrap.module == module
    hosting.serve(msgspec.structs.replace(bootstrap, heartbeat_fd=heartbeat), listener)


def route(_module: str, order: bytes, _listener: socket.socket | None, _heartbeat: int | None) -> Any:
    """Serve the gateway until SIGTERM, then finish what is in flight."""
    from router.gateway import serving

    serving.serve(msgspec.json.decode(order, type=RouterBootstrap))


def found(module: str, order: bytes, _listener: socket.socket | None, _heartbeat: int | None) -> Any:
    """Make the demo tenants in identity's database and return them with their logins."""
    from shared.demo import found as found_tenants

    return _planting(
        module, order, lambda wanted, loaded, database, extras: found_tenants(loaded, database, extras, wanted.as_of)
    )


def plant(module: str, order: bytes, _listener: socket.socket | None, _heartbeat: int | None) -> Any:
    """Plant the module's demo data in one tenant."""
    from shared.demo import plant as plant_rows

    def work(wanted: Plant, loaded: Any, database: Any, _extras: Any) -> Awaitable[None]:
        assert wanted.tenant is not None
        return plant_rows(loaded, database, wanted.tenant, wanted.slug, wanted.as_of, wanted.scale)

    return _planting(module, order, work)


def _planting(module: str, order: bytes, work: Callable[[Plant, Any, Any, Any], Awaitable[Any]]) -> Any:
    from shared.clock import clock_from
    from shared.database.engine import connect_app
    from shared.database.transaction import Database
    from shared.module import load

    wanted = msgspec.json.decode(order, type=Plant)
    clock = clock_from(wanted.clock, test_data=wanted.test_data)

    async def run() -> Any:
        database = Database(connect_app(wanted.database_url, module), module, clock)
        extras = {name: connect_app(url, module, pool_size=1) for name, url in wanted.extra_urls.items()}
        try:
            return await work(wanted, load(module), database, extras)
        finally:
            await database.close()
            for engine in extras.values():
                await engine.dispose()

    return anyio.run(run)


def operate(_module: str, order: bytes, _listener: socket.socket | None, _heartbeat: int | None) -> Any:
    """Do an operator's task on events and return what it found or did."""
    from mewayz.runtime.operations import operate as run_task

    return msgspec.to_builtins(anyio.run(run_task, msgspec.json.decode(order, type=Task)))


def key(_module: str, order: bytes, _listener: socket.socket | None, _heartbeat: int | None) -> Any:
    """Make the key that routers sign with, and keep it. Loads no module."""
    told = msgspec.json.decode(order, type=Key)
    passwords = Passwords(Path(told.secrets))
    if told.exchange:
        passwords.exchange_router_key(time.time())
    else:
        passwords.make_router_key()


def change(_module: str, order: bytes, _listener: socket.socket | None, _heartbeat: int | None) -> Any:
    """Give database roles their next passwords. Loads no module."""
    told = msgspec.json.decode(order, type=Change)
    passwords = Passwords(Path(told.secrets))
    coming = {role: passwords.successor(name) for role, name in told.roles.items()}
    anyio.run(change_passwords, told.admin_urls, {role: new for role, new in coming.items() if new is not None})


def session(_module: str, order: bytes, _listener: socket.socket | None, _heartbeat: int | None) -> Any:
    """Ask identity for a session and return the control socket's answer. Loads no module."""
    from mewayz.runtime.sessions import answer_session

    return anyio.run(answer_session, msgspec.json.decode(order, type=Session))


JOBS: dict[str, Callable[[str, bytes, socket.socket | None, int | None], Any]] = {
    "admit": admit,
    "provide": provide,
    "prepare": prepare,
    "serve": serve,
    "route": route,
    "found": found,
    "plant": plant,
    "operate": operate,
    "key": key,
    "change": change,
    "session": session,
}


def run(kind: str, module: str, order: bytes, listener: socket.socket | None, heartbeat: int | None) -> Outcome:
    """Do a job and return its outcome; an exception becomes a sentence with its line, and its trace goes to the log."""
    try:
        result = JOBS[kind](module, order, listener, heartbeat)
    except Exception as error:
        with contextlib.suppress(OSError):  # the log's disk is full
            traceback.print_exc()
        return _failure(error, module)
    return Outcome(result=result)


def _failure(error: Exception, module: str) -> Outcome:
    """Return the exception in words, with the last line of the module's own code that it came through.

    It passes where a server was away, or a password was changed meanwhile; a file that the module's own code misses does not.
    """
    from shared.database.faults import is_transient

    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if f"/{module}/" in frame.filename.replace("\\", "/")]
    where = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    is_away = isinstance(error, NatsError | asyncpg.InvalidPasswordError)
    passes = is_away or (is_transient(error) and not (own and isinstance(error, OSError)))
    return Outcome(error=f"{type(error).__name__}: {error}{where}", passes=passes)
