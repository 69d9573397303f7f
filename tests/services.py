"""Real PostgreSQL and NATS for tests, made by the platform's own code, started when first asked for.

There is one of each per pytest process.
With pytest-xdist each worker has its own, so that databases, roles and streams of the same name never meet.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from mewayz.folders import Folders, folders_of
from mewayz.passwords import Passwords
from mewayz.servers.nats import Nats, module_user
from mewayz.servers.postgres import Postgres
from mewayz.servers.streams import connect, make_consumers, make_streams


@dataclass(frozen=True)
class NatsServer:
    """The tests' NATS server, with the streams EVENTS, TENANTS, COMMANDS, CMDRES and DLQ made."""

    nats: Nats

    @property
    def url(self) -> str:
        """Its address without a user."""
        return self.nats.url

    @property
    def admin_url(self) -> str:
        """Its address with the administrator's user and password."""
        return self.nats.admin_url

    async def add_module(
        self,
        slug: str,
        *,
        publishes: tuple[str, ...] = (),
        subscribes: tuple[str, ...] = (),
        consumes_all: bool = False,
    ) -> tuple[str, str]:
        """Make the user and the durable consumers of a module as the supervisor does; return its user and password."""
        await self.nats.allow(module_user(slug, publishes))
        client = await connect(self.admin_url)
        await make_consumers(client, slug, subscribes, consumes_all=consumes_all)
        await client.close()
        return self.nats.credentials(slug)


@pytest.fixture(scope="session")
def platform_folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The data folder of this pytest process's servers, marked as test data."""
    data: Path = tmp_path_factory.mktemp("servers")
    folders = folders_of(data)
    folders.create()
    (data / "TEST").touch()
    return folders


@pytest.fixture(scope="session")
def postgres_admin_url(platform_folders: Folders) -> Iterator[str]:
    """The administrator's URL of a running PostgreSQL 18; `make_database` makes a module's database in it."""
    server = Postgres(platform_folders, Passwords(platform_folders.secrets))
    anyio.run(server.start)
    yield server.admin_url
    anyio.run(server.stop)


@pytest.fixture(scope="session")
def nats_server(platform_folders: Folders) -> Iterator[NatsServer]:
    """A running NATS 2.15 with JetStream, synchronous as in production."""
    server = Nats(platform_folders, Passwords(platform_folders.secrets))

    async def start() -> None:
        await server.start()
        client = await connect(server.admin_url)
        await make_streams(client)
        await client.close()

    anyio.run(start)
    yield NatsServer(server)
    anyio.run(server.stop)
