"""Provisioning of a cluster: what the supervisor does on one machine, done once for containers that start by themselves.

Two steps, each of which may be repeated. `write_users` needs no server: the NATS servers start with what it writes.
`provision` needs both servers: databases, roles, migrations, streams, consumers, and one bootstrap file a process.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from mewayz.modules import REPOSITORY
from mewayz.passwords import KEY_LEFT_S, QUEUED_S, Passwords, RouterKey
from mewayz.servers.databases import change_passwords, make_database
from mewayz.servers.module_database import logins, module_database
from mewayz.servers.nats import (
    ADMIN,
    GATEWAY,
    NATS_PASSWORD,
    entries,
    gateway_user,
    module_user,
    password_of,
    user_name,
)
from mewayz.servers.streams import connect, make_consumers, make_streams
from shared.clock import SystemClock
from shared.database.engine import connect_app
from shared.database.migrate import migrate
from shared.database.transaction import Database
from shared.demo import found
from shared.module import load
from shared.wire.bootstrap import Edge, ModuleBootstrap, RouterBootstrap


def write_users(slugs: Sequence[str], into: Path, *, rotate: bool = False) -> Path:
    """Write `nats-users.conf` for the servers' configuration to include: one user a module, each with its own rights.

    Passwords are made once and kept in `<into>/secrets`, mode 0600. To `rotate` is to write other users beside the present
    ones, or, where those are there already, the others alone.
    """
    passwords = _passwords(into)
    modules = [load(slug) for slug in slugs]
    if heirs := passwords.heirs(NATS_PASSWORD) if rotate else []:
        for name in heirs:
            passwords.succeed(name)
    elif rotate:
        for name in passwords.names(NATS_PASSWORD):
            passwords.make_successor(name)
    users = entries(None, passwords)
    of_modules = (module_user(one.slug, sorted(one.published), takes_queued=one.takes_queued) for one in modules)
    for user in [gateway_user(), *of_modules]:
        users += entries(user, passwords)
    Passwords(into).keep("nats-users.conf", f"authorization: {json.dumps({'users': users}, indent=1)}")
    return into / "nats-users.conf"


async def provision(
    slugs: Sequence[str],
    into: Path,
    *,
    database_url: str,
    nats_url: str,
    module_url: str,
    address: str,
    replicas: int = 3,
    port: int = 8000,
    edge: Edge = Edge(),
    metrics_token: str | None = None,
    rotate: bool = False,
) -> None:
    """Make everything the modules and routers of a cluster need, and write `<into>/<slug>.json` and `<into>/router.json`.

    `database_url` is an administrator's (CREATEDB, CREATEROLE), `nats_url` names the servers without a user,
    `module_url` is where routers find a module (`http://{slug}:8000/graphql`), `address` is the API's own (`iss` of
    access tokens), `metrics_token` opens /metrics. `replicas` is 3 on three NATS servers. To `rotate` is to give routers
    another key and database roles other passwords; processes that run read their files again. Raises what the servers raise.
    """
    passwords = _passwords(into)
    await _prepare(slugs, passwords, database_url, nats_url, replicas)

    def tell(key: RouterKey) -> None:
        for slug in slugs:
            _write(into / f"{slug}.json", _module(slug, passwords, database_url, nats_url, key, address))

    # In an order in which whoever checks a secret knows it before anybody uses it (ADR 0024).
    key = passwords.make_router_key()
    roles = [f"role-{login}" for slug in slugs for login in logins(slug)]
    for name in roles if rotate else ():
        passwords.make_successor(name)
    coming = {name: password for name in roles if (password := passwords.successor(name)) is not None}
    if coming:
        tell(key)
        changes = {f"mewayz_{name.removeprefix('role-')}": password for name, password in coming.items()}
        await change_passwords([database_url], changes)
        for name in coming:
            passwords.succeed(name)
    if rotate:
        key = passwords.exchange_router_key(time.time())
    tell(key)
    user, password = _login(GATEWAY, passwords)
    router = RouterBootstrap(
        host="0.0.0.0",
        port=port,
        supergraph=str(REPOSITORY / "schema" / "supergraph.graphql"),
        data=str(into / "router"),
        module_url=module_url,
        supervisor_socket=None,
        signing_key=key.private,
        former_keys=key.former_keys(QUEUED_S),
        edge=edge,
        metrics_token=metrics_token,
        nats_url=nats_url,
        nats_user=user,
        nats_password=password,
    )
    (into / "router").mkdir(mode=0o700, exist_ok=True)
    _write(into / "router.json", router)


async def _prepare(slugs: Sequence[str], passwords: Passwords, database_url: str, nats_url: str, replicas: int) -> None:
    """Make streams, and each module's database and consumers."""
    client = await connect(nats_url.replace("nats://", f"nats://{':'.join(_login(ADMIN, passwords))}@"))
    await make_streams(client, replicas=replicas)
    for slug in slugs:
        module = load(slug)
        database = await make_database(database_url, slug, passwords)
        await migrate(slug, module.migrations, database.owner_url)
        await make_consumers(client, slug, module.describe().subscribes)
    await client.close()


def _module(
    slug: str, passwords: Passwords, database_url: str, nats_url: str, key: RouterKey, address: str
) -> ModuleBootstrap:
    database = module_database(database_url, slug, passwords)
    user, password = _login(slug, passwords)
    return ModuleBootstrap(
        module=slug,
        database_url=database.app_url,
        relay_url=database.relay_url,
        extra_urls=database.extra_urls,
        successors=database.successors,
        nats_url=nats_url,
        nats_user=user,
        nats_password=password,
        router_keys={key.kid: key.public},
        former_router_keys=key.former_keys(KEY_LEFT_S),
        issuer=address,
    )


async def found_tenants(into: Path) -> Path:
    """Make the first tenants with their people, by identity; return the file with their logins, mode 0600."""
    bootstrap = msgspec.json.decode((into / "identity.json").read_bytes(), type=ModuleBootstrap)
    module = load(bootstrap.module)
    database = Database(connect_app(bootstrap.database_url, module.slug), module.slug, SystemClock())
    extras = {name: connect_app(url, module.slug, pool_size=1) for name, url in bootstrap.extra_urls.items()}
    tenants = await found(module, database, extras, SystemClock().now().date())
    for engine in (database.engine, *extras.values()):
        await engine.dispose()
    logins = [login for tenant in tenants for login in tenant.logins]
    Passwords(into / "secrets").keep("demo-logins.json", msgspec.json.encode(logins).decode())
    return into / "secrets" / "demo-logins.json"


def _login(name: str, passwords: Passwords) -> tuple[str, str]:
    password = passwords.successor(password_of(name)) or passwords.of(password_of(name))
    return user_name(name, password), password


def _passwords(into: Path) -> Passwords:
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    secrets = into / "secrets"
    secrets.mkdir(mode=0o700, exist_ok=True)
    return Passwords(secrets)


def _write(path: Path, bootstrap: ModuleBootstrap | RouterBootstrap) -> None:
    Passwords(path.parent).keep(path.name, msgspec.json.encode(bootstrap).decode())
