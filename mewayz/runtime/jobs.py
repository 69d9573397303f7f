"""What the zygote's children do: get a module ready, or serve it. Runs in a forked process, alone."""

import inspect
import socket
import traceback
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import msgspec

from shared.wire.bootstrap import ModuleBootstrap


class Prepare(msgspec.Struct, frozen=True):
    """The order for `prepare`: the module's database, with the owner's rights."""

    owner_url: str


class Plant(msgspec.Struct, frozen=True):
    """The order for `plant` and `found`: the module's database, and for `plant` the tenant."""

    database_url: str
    as_of: date
    extra_urls: dict[str, str] = {}
    tenant: UUID | None = None
    slug: str = ""
    scale: float = 0.02
    clock: str | None = None
    test_data: bool = False


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a job reports: its result, or a sentence on what went wrong and where."""

    result: Any = None
    error: str | None = None


def prepare(module: str, order: bytes, _listener: socket.socket | None, _heartbeat: int | None) -> Any:
    """Migrate the module's database and return its ModuleDescription: what it publishes and hears."""
    from shared.database.migrate import migrate
    from shared.module import load

    loaded = load(module)
    url = msgspec.json.decode(order, type=Prepare).owner_url
    _finish(migrate(module, loaded.migrations, url))
    return loaded.describe()


def serve(module: str, order: bytes, listener: socket.socket | None, heartbeat: int | None) -> Any:
    """Serve the module on `listener` until SIGTERM, then finish what is in hand."""
    from shared import hosting

    assert listener is not None, "a served module has a socket"
    bootstrap = msgspec.json.decode(order, type=ModuleBootstrap)
    assert bootstrap.module == module
    hosting.serve(msgspec.structs.replace(bootstrap, heartbeat_fd=heartbeat), listener)


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


JOBS: dict[str, Callable[[str, bytes, socket.socket | None, int | None], Any]] = {
    "prepare": prepare,
    "serve": serve,
    "found": found,
    "plant": plant,
}


def run(kind: str, module: str, order: bytes, listener: socket.socket | None, heartbeat: int | None) -> Outcome:
    """Do a job and return its outcome; an exception becomes a sentence with its line, and its trace goes to the log."""
    try:
        result = JOBS[kind](module, order, listener, heartbeat)
    except Exception as error:
        traceback.print_exc()
        return Outcome(error=_sentence(error, module))
    return Outcome(result=result)


def _sentence(error: Exception, module: str) -> str:
    """Return the exception in words, with the last line of the module's own code that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if f"/{module}/" in frame.filename.replace("\\", "/")]
    where = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {error}{where}"


def _finish(result: Any) -> None:
    if inspect.isawaitable(result):

        async def wait() -> None:
            await result

        anyio.run(wait)
