"""`mewayz secrets rotate` on the running platform: nobody notices, and what was is refused (ADR 0024)."""

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import asyncpg
import psutil

from mewayz.folders import folders_of
from mewayz.passwords import KEY_LEFT_S, Passwords
from mewayz.runtime.client import command
from mewayz.runtime.sessions import post
from shared.clock import ShiftedClock
from shared.wire.control import GetBroker
from shared.wire.principal import Principal
from shared.wire.token import SigningKey, sign_internal
from tests.stories.test_queued_commands import away, status
from tests.stories.world import CLOCK, F0, fresh_id
from tests.waiting import PATIENCE_S, until

_ASK = (
    "{ customers(first: 2) { nodes { id } } employees(first: 1) { nodes { id } } invoices(first: 1) { nodes { id } } }"
)
_WRITE = """
    mutation($input: RegisterCustomerInput!) { registerCustomer(input: $input) { receipt { status } userErrors { code } } }
"""


def test_secrets_change_while_everything_goes_on(lumen: F0) -> None:
    platform = lumen.world.platform
    folder = platform.data / "secrets"
    before, began = _secrets(folder), time.time()
    old_key, old_broker = _signing_key(folder), _broker(platform.data)
    code = f"T{fresh_id()[:8]}"

    with _load(lumen) as failures:
        with away(lumen, "tax"):
            waiting = lumen.command("defineTaxCode", "taxCode { id }", code=code, ratePct="3")["receipt"]
            for what in ("router-key", "databases"):
                done = platform.run("secrets", "rotate", what)
                assert done.returncode == 0, done.stderr
        with _killed_in_the_middle(lumen):
            done = platform.run("secrets", "rotate", "nats")
            assert done.stderr == "✘ The supervisor ended meanwhile; the next one brings the exchange to its end.\n"
        until(lambda: not list(folder.glob("*.next")))
        lumen.command("registerCustomer", "customer { id }", name=f"C-{fresh_id()}", currency="CNY")

    assert failures == []
    assert waiting["status"] == "QUEUED"
    until(lambda: status(lumen, waiting["id"]) == "DONE")
    assert lumen.rows("tax", "select count(*) from tax_code where code = $1", code) == [{"count": 1}]

    after = _secrets(folder)
    kinds = ("role-", "nats-", "postgres-admin", "router-signing-key")
    assert [name for name in before if name.startswith(kinds) and before[name] == after[name]] == []
    assert {oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == {"0o600"}
    logs = "".join(path.read_text(errors="replace") for path in (platform.data / "log").iterdir())
    assert [name for name, text in (*before.items(), *after.items()) if len(text) > 20 and text in logs] == []
    assert not re.search("SCRAM-SHA-256", logs)

    assert _logs_in(platform.data, "mewayz_crm_app", "mewayz_crm", after["role-crm_app"])
    assert _logs_in(platform.data, "mewayz_admin", "postgres", after["postgres-admin"])
    assert not _logs_in(platform.data, "mewayz_crm_app", "mewayz_crm", before["role-crm_app"])
    assert not _logs_in(platform.data, "mewayz_admin", "postgres", before["postgres-admin"])
    assert _connects(_broker(platform.data))
    until(lambda: not _connects(old_broker))  # the server reads that they are gone after they are

    current = _secrets(folder)["router-signing-key"]
    assert json.loads((folder / "process-router.json").read_text())["signing_key"] == current
    assert _answers(lumen, _signing_key(folder)) == 200
    told = folder / "process-crm.json"
    known = json.loads(told.read_text())
    former = known["former_router_keys"][old_key.kid]
    assert began < former["until"] - KEY_LEFT_S < time.time(), "what it signed may be on its way"
    for left_s, answer in ((KEY_LEFT_S, 200), (-1.0, 401)):  # as it was when it was exchanged, and will be in a minute
        former["until"] = time.time() + left_s
        told.write_text(json.dumps(known))
        until(lambda answer=answer: _answers(lumen, old_key) == answer)
    assert _answers(lumen, _signing_key(folder)) == 200


@contextmanager
def _load(story: F0) -> Iterator[list[Any]]:
    """Ask and write without a break while the block runs; collect what was not answered as it should be."""
    failures: list[Any] = []
    is_over = threading.Event()
    token = story.world.token(story.slug)
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}

    def work(query: str, is_write: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", story.world.platform.port, timeout=20)
        while not is_over.is_set():
            variables = {"input": {"name": f"C-{fresh_id()}", "currency": "CNY"}} if is_write else {}
            try:
                connection.request("POST", "/graphql", json.dumps({"query": query, "variables": variables}), headers)
                answer = json.loads(connection.getresponse().read())
                if "errors" in answer or (
                    is_write and answer["data"]["registerCustomer"]["receipt"]["status"] != "DONE"
                ):
                    failures.append(answer)
            except Exception as error:
                failures.append(repr(error))
        connection.close()

    threads = [threading.Thread(target=work, args=one) for one in ((_ASK, False), (_WRITE, True))]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


@contextmanager
def _killed_in_the_middle(story: F0) -> Iterator[None]:
    """Kill the supervisor when NATS knows the new users, nobody has moved for good, and a router key was made and not told."""
    folder = story.world.platform.data / "secrets"
    children = psutil.Process(story.world.platform.pid).children()
    supervisor = next(one for one in children if "mewayz.runtime.supervisor" in " ".join(one.cmdline()))

    def kill() -> None:
        until(lambda: bool(list(folder.glob("nats-*.next"))))
        time.sleep(1)
        Passwords(folder).exchange_router_key(time.time())
        supervisor.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    yield
    thread.join()


def _secrets(folder: Path) -> dict[str, str]:
    """Return each secret by the name of its file."""
    return {path.name: path.read_text().split()[0] for path in folder.iterdir() if not path.name.endswith(".json")}


def _signing_key(folder: Path) -> SigningKey:
    return SigningKey.from_bytes(bytes.fromhex(_secrets(folder)["router-signing-key"]))


def _broker(data: Path) -> str:
    url = command(folders_of(data), GetBroker()).url
    assert url is not None
    return url


def _logs_in(data: Path, user: str, database: str, password: str) -> bool:
    async def log_in() -> bool:
        host = str(folders_of(data).postgres_socket)
        try:
            connection = await asyncpg.connect(host=host, user=user, database=database, password=password)
        except asyncpg.InvalidPasswordError:
            return False
        await connection.close()
        return True

    return anyio.run(log_in)


def _connects(url: str) -> bool:
    """Whether NATS lets a user in (its protocol: INFO comes, CONNECT goes, +OK or -ERR comes)."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S) as connection:
        told = {"user": parts.username, "pass": parts.password, "verbose": True}
        connection.sendall(f"CONNECT {json.dumps(told)}\r\n".encode())
        with connection.makefile("rb") as lines:
            assert lines.readline().startswith(b"INFO")
            return lines.readline().startswith(b"+OK")


def _answers(story: F0, key: SigningKey) -> int:
    """Return the status with which module crm answers who signs with a key."""
    body = b'{"query": "{ __typename }"}'
    owner = Principal(tenant=story.tenant, permissions=("*",))
    clock = ShiftedClock(story.world.platform.data / CLOCK)
    token = sign_internal(key, owner, audience="crm", body=body, deadline=time.time() + 20, via="router", clock=clock)
    path = folders_of(story.world.platform.data).module_socket("crm")
    return anyio.run(post, path, "/graphql", body, token)[0]
