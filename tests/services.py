"""Real PostgreSQL and NATS for tests, made by the platform's own code, started when first asked for.

There is one of each per pytest process.
With pytest-xdist each worker has its own, so that databases, roles and streams of the same name never meet.
"""

import http.client
import json
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Self

import anyio
import pytest

from mewayz.failures import NotRunning
from mewayz.folders import Folders, folders_of
from mewayz.passwords import Passwords
from mewayz.servers.nats import Nats, module_user
from mewayz.servers.postgres import Postgres
from mewayz.servers.streams import connect, make_consumers, make_streams
from tests import waiting
from tests.waiting import PATIENCE_S

_PORTS = range(20_000, 32_768)  # below those that the kernel gives to outgoing connections


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
    ) -> tuple[str, str]:
        """Make the user and the durable consumers of a module as the supervisor does; return its user and password."""
        await self.nats.allow(module_user(slug, publishes))
        client = await connect(self.admin_url)
        await make_consumers(client, slug, subscribes)
        await client.close()
        return self.nats.credentials(slug)


@contextmanager
def running_postgres(folders: Folders) -> Iterator[str]:
    """Run a PostgreSQL 18 while the block runs; yield its administrator's URL."""
    server = Postgres(folders, Passwords(folders.secrets))
    anyio.run(server.start)
    yield server.admin_url
    anyio.run(server.stop)


@contextmanager
def running_nats(folders: Folders) -> Iterator[NatsServer]:
    """Run a NATS 2.15 with JetStream while the block runs, synchronous as in production."""
    server = Nats(folders, Passwords(folders.secrets))

    async def start() -> None:
        await server.start()
        client = await connect(server.admin_url)
        await make_streams(client)
        await client.close()

    anyio.run(start)
    yield NatsServer(server)
    anyio.run(server.stop)


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
    """The administrator's URL of a running PostgreSQL; `make_database` makes a module's database in it.

    Whoever makes one that a module of `start_module` may have too, takes the passwords of `platform_folders`.
    """
    with running_postgres(platform_folders) as url:
        yield url


@pytest.fixture(scope="session")
def nats_server(platform_folders: Folders) -> Iterator[NatsServer]:
    """A running NATS with the platform's streams."""
    with running_nats(platform_folders) as server:
        yield server


class Platform:
    """A platform of its own, run as a stranger runs it: `mewayz up` as a real process, on a data folder of a test.

    Used as a context manager; it has started when the block begins and has stopped in order when it ends.
    """

    def __init__(self, data: Path, *arguments: str, modules_from: Sequence[Path] = (), demo: bool = False) -> None:
        """Run on the folder `data` with further arguments of `mewayz up`; the port is a free one."""
        self.data = data
        self.port = free_port()
        self.lines: list[str] = []  # what `up` has printed
        folders = [argument for folder in modules_from for argument in ("--modules-from", str(folder))]
        self._arguments = ["--demo" if demo else "--no-demo", *folders, *arguments]
        self._process: subprocess.Popen[str] | None = None
        self._printed: Queue[str | None] = Queue()

    def __enter__(self) -> Self:
        """Start, and wait until everything that can run does."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop in order."""
        self.stop()

    @property
    def pid(self) -> int:
        """The process id of `mewayz up`."""
        assert self._process is not None, "start comes first"
        return self._process.pid

    def start(self, *, until: str = "step=ready", timeout_s: float = 60) -> None:
        """Start `mewayz up` and wait until it has printed a line that begins with `until`."""
        self.data.mkdir(parents=True, exist_ok=True)
        (self.data / "TEST").touch()
        up = [sys.executable, "-m", "mewayz", "up", "--data", str(self.data), "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*up, *self._arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._printed = Queue()
        threading.Thread(target=_read, args=(self._process, self._printed), daemon=True).start()
        self.wait_for(until, timeout_s=timeout_s)

    def wait_for(self, beginning: str, *, timeout_s: float = PATIENCE_S) -> str:
        """Return the next line of `up` that begins so; fail where it ends or stays silent instead."""
        while True:
            try:
                line = self._printed.get(timeout=timeout_s)
            except Empty:
                line = None
            if line is None:
                pytest.fail(f"mewayz up didn't print {beginning!r}:\n" + "\n".join(self.lines))
            self.lines.append(line)
            if line.startswith(beginning):
                return line

    def stop(self, *, timeout_s: float = PATIENCE_S) -> int:
        """Stop it as Ctrl-C does and return its exit code."""
        assert self._process is not None, "start comes first"
        self._process.terminate()
        return self._process.wait(timeout_s)

    def exit_code(self, *, timeout_s: float = PATIENCE_S) -> int:
        """Wait for `mewayz up` to end by itself and return its exit code."""
        assert self._process is not None, "start comes first"
        return self._process.wait(timeout_s)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `mewayz ARGUMENTS --data ...` to its end."""
        command = [sys.executable, "-m", "mewayz", *arguments, "--data", str(self.data)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    def status(self) -> dict[str, Any]:
        """Return what `mewayz status --json` prints."""
        return json.loads(self._told("status", "--json"))

    def module(self, slug: str) -> dict[str, Any]:
        """Return the status of one module."""
        return next(module for module in self.status()["modules"] if module["name"] == slug)

    def token(self, tenant: str, user: str | None = None) -> str:
        """Return an access token for a user of a tenant; without a user, for its owner."""
        return self._told("token", "--tenant", tenant, *(["--user", user] if user else [])).strip()

    def graphql(
        self, query: str, variables: dict[str, Any] | None = None, *, token: str | None = None
    ) -> dict[str, Any]:
        """Send one operation to the router and return the whole answer, errors too."""
        return self.request("POST", "/graphql", {"query": query, "variables": variables or {}}, token=token)[1]

    def request(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> tuple[int, Any]:
        """Send one HTTP request to the router; return status and JSON body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, json.loads(content) if content else None

    def _told(self, *arguments: str) -> str:
        """Return what a command prints, once a supervisor answers: one that starts again doesn't for a moment."""
        tries: list[subprocess.CompletedProcess[str]] = []

        def is_answered() -> bool:
            tries.append(self.run(*arguments))
            return tries[-1].returncode != NotRunning.exit_code

        waiting.until(is_answered)
        assert tries[-1].returncode == 0, tries[-1].stderr
        return tries[-1].stdout


def free_port() -> int:
    """Return a port that is free, and that no other test of this machine is given as long as this process lives."""
    for port in random.sample(_PORTS, len(_PORTS)):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0mewayz-test-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        claim.detach()  # left open: it ends with the process
        return port
    raise AssertionError("no port is free")


def _read(process: subprocess.Popen[str], printed: Queue[str | None]) -> None:
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            printed.put(line.rstrip("\n"))
    printed.put(None)
