"""What operators do about events, in a forked job: see what is parked, replay, skip, follow, audit, refill, rebuild."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from mewayz.passwords import Passwords
from mewayz.runtime.opened import known_tenants, modules_with_database, open_app
from mewayz.runtime.orders import Task
from mewayz.runtime.telling import tell_state
from mewayz.servers.databases import make_database
from mewayz.servers.module_database import ModuleDatabase
from mewayz.servers.streams import connect
from shared.errors import InvalidInput
from shared.events import parked
from shared.events.audit import Audit, audit, refill
from shared.events.inbox import say_replayed
from shared.events.stream import deliver_again, listeners, state_of_stream
from shared.events.trace import Trace, trace
from shared.module import load
from shared.wire.occasion import PLATFORM
from shared.wire.principal import system

_TENANT = "select tenant_id from kit.tenant where slug = $1"


class UnknownTenant(InvalidInput):
    """The module knows no such tenant."""

    code = "UNKNOWN_TENANT"

    def __init__(self, tenant: str) -> None:
        """Name it."""
        super().__init__(f"There is no tenant {tenant!r}: give its slug or its id.")


async def operate(task: Task) -> Any:
    """Do a task by its name and return its result."""
    return await _TASKS[task.operate.task](task)


async def _parked_list(task: Task) -> dict[str, Any]:
    """List parked events of one module or of all, by `tenant` and `key`: the first of each module, and how many there are."""
    found: list[dict[str, Any]] = []
    total = 0
    for slug, database in (await _databases(task)).items():
        wanted = await _tenant(task, database), task.operate.arguments.get("key")
        rows = await parked.list_parked(database.relay_url, *wanted)
        total += await parked.count_parked(database.relay_url, *wanted)
        found += [{"module": slug, **{name: getattr(row, name) for name in row.__struct_fields__}} for row in rows]
    return {"first": found, "total": total}


async def _parked_show(task: Task) -> list[dict[str, Any]]:
    """Show a parked event in each module where it waits, with the bytes it came in."""
    event = UUID(task.operate.arguments["event"])
    shown = {slug: await parked.show_parked(one.relay_url, event) for slug, one in (await _databases(task)).items()}
    return [{"module": slug, **row} for slug, row in shown.items() if row is not None]


async def _parked_replay(task: Task) -> list[dict[str, Any]]:
    """Replay parked keys of a module, one after the other; a key that fails again is told with its error."""
    slug, database = await _one(task)
    tenant = await _tenant(task, database)
    keys = await parked.parked_keys(database.relay_url, tenant, task.operate.arguments.get("key"))
    done: list[dict[str, Any]] = []
    async with _module(task, slug, database) as (subscriptions, app):
        for tenant_id, key in keys:
            outcome: dict[str, Any] = {"tenant": tenant_id, "key": key, "applied": 0, "error": None}
            try:
                outcome["applied"] = await parked.replay(app, subscriptions, tenant_id, key)
            except Exception as error:  # told to the operator, whole in the log
                outcome["error"] = f"{type(error).__name__}: {error}"
            done.append(outcome)
    return done


async def _parked_skip(task: Task) -> str:
    """Skip the first parked event of a key and return its id."""
    slug, database = await _one(task)
    tenant = await _tenant(task, database)
    if tenant is None:
        raise UnknownTenant("")
    async with _module(task, slug, database) as (_, app):
        arguments = task.operate.arguments
        return str(await parked.skip(app, tenant, arguments["key"], arguments["reason"]))


async def _show(task: Task) -> Trace | None:
    """Follow one event through all modules."""
    client = await connect(task.nats_admin_url)
    try:
        return await trace(await _relay_urls(task), client, UUID(task.operate.arguments["event"]))
    finally:
        await client.close()


async def _audit(task: Task) -> dict[str, Any]:
    """Compare what was sent with what lies on the stream."""
    client = await connect(task.nats_admin_url)
    try:
        return _told(await audit(await _relay_urls(task), client))
    finally:
        await client.close()


async def _refill(task: Task) -> dict[str, Any]:
    """Publish again what the stream has lost. The modules concerned are stopped by whoever asks."""
    urls = await _relay_urls(task)
    client = await connect(task.nats_admin_url)
    try:
        published = await refill(urls, client, await audit(urls, client))
        return {**_told(await audit(urls, client)), "published": published}
    finally:
        await client.close()


async def _kept(task: Task) -> list[str]:
    """Return of which event types a module keeps copies."""
    assert task.operate.module is not None
    return sorted(load(task.operate.module).kept)


async def _rebuild(task: Task) -> int:
    """Deliver all retained events to a module again, but for effects outside; return how many it has before it."""
    slug, database = await _one(task)
    client = await connect(task.nats_admin_url)
    try:
        await say_replayed(database.relay_url, (await state_of_stream(client)).at)
        await deliver_again(client, [slug])
        return {listener.module: listener.waiting for listener in await listeners(client)}[slug]
    finally:
        await client.close()


async def _tenant_id(task: Task) -> str:
    """Return a tenant's id by its slug, from whichever module knows it."""
    for database in (await _databases(task)).values():
        with suppress(UnknownTenant):
            return str(await _tenant(task, database))
    raise UnknownTenant(task.operate.arguments["tenant"])


async def _verify_log(task: Task) -> list[dict[str, Any]]:
    """Check the audit log's chains: of the tenant asked for, or of all and of what no tenant is known of."""
    from msgspec import to_builtins

    from subgraphs.audit_log.verification import verify_tenant

    slug, database = await _one(task)
    asked = await _tenant(task, database)
    tenants = [asked] if asked else [*await known_tenants(database), PLATFORM]
    found: list[dict[str, Any]] = []
    async with _module(task, slug, database) as (_, app):
        for tenant in tenants:
            async with app.transaction(system(tenant), timeout_s=3600) as tx:
                found.append(to_builtins(await verify_tenant(tx)))
    return found


async def _order_log(task: Task) -> str:
    """Do to a tenant's audit log what nobody may by a token, and return what that tells."""
    from subgraphs.audit_log.orders import ORDERS

    slug, database = await _one(task)
    tenant, told = await _tenant(task, database), task.operate.arguments
    async with (
        _module(task, slug, database) as (_, app),
        app.transaction(system(tenant or PLATFORM), timeout_s=60) as tx,
    ):
        return await ORDERS[told["order"]](tx, told)


async def _export_person(task: Task) -> dict[str, Any]:
    """Collect what all modules hold of a person."""
    from mewayz.runtime.exports import export_person

    return await export_person(task, UUID(await _tenant_id(task)))


_TASKS: dict[str, Callable[[Task], Awaitable[Any]]] = {
    "parked_list": _parked_list,
    "parked_show": _parked_show,
    "parked_replay": _parked_replay,
    "parked_skip": _parked_skip,
    "show": _show,
    "audit": _audit,
    "refill": _refill,
    "kept": _kept,
    "tell_state": tell_state,
    "rebuild": _rebuild,
    "tenant": _tenant_id,
    "verify_log": _verify_log,
    "order_log": _order_log,
    "export_person": _export_person,
}


def _told(found: Audit) -> dict[str, Any]:
    modules = {
        slug: {"sent": one.sent, "waiting": one.waiting, "missing": len(one.missing), "first_missing": one.missing[:5]}
        for slug, one in found.modules.items()
    }
    return {"stream": found.stream, "modules": modules, "faults": found.faults}


async def _databases(task: Task) -> dict[str, ModuleDatabase]:
    """Return the databases that exist: of the module asked for, or of all."""
    found = await modules_with_database(task.admin_url)
    wanted = [slug for slug in found if task.operate.module in (None, slug)]
    return {slug: await make_database(task.admin_url, slug, Passwords(Path(task.secrets))) for slug in wanted}


async def _one(task: Task) -> tuple[str, ModuleDatabase]:
    assert task.operate.module is not None
    return task.operate.module, (await _databases(task))[task.operate.module]


async def _relay_urls(task: Task) -> dict[str, str]:
    return {slug: database.relay_url for slug, database in (await _databases(task)).items()}


async def _tenant(task: Task, database: ModuleDatabase) -> UUID | None:
    """Return the tenant asked for by slug or id, None where none was."""
    asked = task.operate.arguments.get("tenant")
    if asked is None:
        return None
    try:
        return UUID(asked)
    except ValueError:
        pass
    connection = await asyncpg.connect(database.relay_url)
    try:
        found = await connection.fetchval(_TENANT, asked)
    finally:
        await connection.close()
    if found is None:
        raise UnknownTenant(asked)
    return found


@asynccontextmanager
async def _module(task: Task, slug: str, database: ModuleDatabase) -> AsyncGenerator[tuple[Any, Any]]:
    """Give the module's subscriptions, by its code as it is now, and its database as the app role sees it."""
    async with open_app(task, slug, database) as app:
        yield load(slug).subscriptions, app
