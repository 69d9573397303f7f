"""The clustered shape of compose.yaml, as processes: three NATS servers, two routers, a process a module, two of one."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml

from mewayz.folders import folders_of
from mewayz.modules import REPOSITORY, module_folders, slugs
from mewayz.passwords import Passwords
from mewayz.servers.postgres import Postgres
from shared.wire import jetstream
from shared.wire.jetstream import RESULTS, Message, connect, last_message, publish_first
from tests.services import free_port
from tests.waiting import PATIENCE_S, until

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("cluster")]
_NEEDED = ("crm", "hr", "identity", "invoicing")  # by S1 and S2
COMPOSE = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())


class Cluster:
    """The services of compose.yaml, with `/bootstrap` in a folder and every host on this machine."""

    def __init__(self, folder: Path, postgres: Postgres) -> None:
        self.folder = folder
        self.postgres = postgres
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ports = {name: (free_port(), free_port()) for name in self.services("nats")}
        self._monitors = {name: free_port() for name in self._ports}
        self._routers = {name: free_port() for name in self.services("serve-router")}

    def services(self, kind: str) -> dict[str, list[str]]:
        """Return the services whose image is NATS, or whose command is `kind`, with their commands."""
        found = {name: service["command"] for name, service in COMPOSE["services"].items()}
        return {
            name: command
            for name, command in found.items()
            if (name.startswith("nats-") if kind == "nats" else command[0] == kind)
        }

    def start(self) -> None:
        self.mewayz("provision", str(self.folder), "--users")
        for name in self._ports:
            self.start_nats(name)
        until(self._has_leader)
        self.provision(*self.services("provision")["provision"][2:])
        for slug in _NEEDED:
            command = self.services("serve-module")[slug]
            self.run(slug, *command, "--socket", str(self.folder / f"{slug}.sock"))
        self.run(
            "invoicing again", *self.services("serve-module")["invoicing"], "--socket", str(self.folder / "2.sock")
        )
        self.tell_routers()
        for name in self._routers:
            self.run(name, "serve-router", "--bootstrap", str(self.folder / f"{name}.json"))
        for name in self._routers:
            until(lambda name=name: self.ready(name))

    def provision(self, *more: str) -> None:
        urls = ",".join(f"nats://127.0.0.1:{client}" for client, _ in self._ports.values())
        where = ["--module-url", f"unix:{self.folder}/{{slug}}.sock", "--database-url", self.postgres.admin_url]
        self.mewayz("provision", str(self.folder), *where, "--nats-url", urls, *more)

    def tell_routers(self) -> None:
        """Write what each router reads: here each has a port of its own."""
        told = json.loads((self.folder / "router.json").read_text())
        for name, port in self._routers.items():
            draft = self.folder / f"{name}.new"
            draft.write_text(json.dumps({**told, "host": "127.0.0.1", "port": port}))
            draft.replace(self.folder / f"{name}.json")

    def rotate_users(self) -> None:
        """Write the NATS users anew, and have the servers read them."""
        self.mewayz("provision", str(self.folder), "--users", "--rotate")
        for name in self._ports:
            log = self.folder / f"{name}.log"
            reloads = log.read_text().count("Reloaded server configuration")
            self.processes[name].send_signal(signal.SIGHUP)
            until(lambda log=log, reloads=reloads: log.read_text().count("Reloaded server conf") > reloads)

    def have_moved(self) -> bool:
        """Whether nobody is connected to NATS any more but as the users that processes are told now."""
        told = [self.folder / f"{name}.json" for name in (*_NEEDED, "router")]
        connected: set[str] = set()
        for port in self._monitors.values():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
            connection.request("GET", "/connz?auth=1")
            connected |= {one["authorized_user"] for one in json.loads(connection.getresponse().read())["connections"]}
            connection.close()
        return connected <= {json.loads(path.read_text())["nats_user"] for path in told}

    def start_nats(self, name: str) -> None:
        text = (REPOSITORY / "deploy" / "nats-cluster.conf").read_text()
        client, peer = self._ports[name]
        routes = ", ".join(f"nats://127.0.0.1:{other}" for _, other in self._ports.values())
        text = text.replace("include bootstrap/", "include ").replace("port: 4222", f"listen: 127.0.0.1:{client}")
        text = text.replace("port: 6222", f"listen: 127.0.0.1:{peer}")
        start = text.index("routes: [")
        text = text[:start] + f"routes: [{routes}]" + text[text.index("]", start) + 1 :]
        text += f"\nhttp: 127.0.0.1:{self._monitors[name]}\n"
        configuration = self.folder / f"{name}.conf"
        configuration.write_text(text)
        environment = {"NATS_NAME": name, "NATS_STORE": str(self.folder / name)}
        server = Path(sys.executable).with_name("nats-server")
        self._popen(name, [str(server), "-c", str(configuration)], environment)

    def run(self, name: str, *command: str) -> None:
        self._popen(name, [sys.executable, "-m", "mewayz", *(self._here(word) for word in command)], {})

    def mewayz(self, *arguments: str) -> None:
        done = subprocess.run([sys.executable, "-m", "mewayz", *arguments], capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stderr

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def kill_postgres(self) -> None:
        """Kill PostgreSQL, and start it again as its restart policy would."""
        pid = self.postgres.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        until(lambda: self.postgres.pid is None)
        anyio.run(self.postgres.start)

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()
            process.wait()

    def request(self, path: str, body: Any = None, token: str | None = None, router: str = "router-1") -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._routers[router], timeout=PATIENCE_S)
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
        connection.request("GET" if body is None else "POST", path, body and json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return json.loads(content) if content.startswith(b"{") else {"status": answer.status}

    def ready(self, router: str) -> bool:
        try:
            self.request("/health/ready", router=router)
        except OSError:
            return False
        return True

    def sign_in(self) -> str:
        logins = json.loads((self.folder / "secrets" / "demo-logins.json").read_text())
        owner = next(one for one in logins if one["tenant"] == "lumen" and one["role"] == "Owner")
        body = {"email": owner["email"], "password": owner["password"], "tenant": "lumen"}
        session: dict[str, Any] = {}

        def signed_in() -> bool:
            session.update(self.request("/auth/login", body))
            return "accessToken" in session

        until(signed_in)
        return session["accessToken"]

    def _here(self, word: str) -> str:
        return word.replace("/bootstrap", str(self.folder))

    def _has_leader(self) -> bool:
        logs = "".join((self.folder / f"{name}.log").read_text() for name in self._ports)
        return "JetStream cluster new metadata leader" in logs

    def _popen(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            words = ["env", *(f"{key}={value}" for key, value in environment.items()), *command]
            self.processes[name] = subprocess.Popen(words, stdout=log, stderr=log, cwd=REPOSITORY)


def test_every_module_has_its_service() -> None:
    """Four had none: in a cluster there was no audit log, and nobody was forgotten or told anything"""
    commands = [one["command"] for one in COMPOSE["services"].values() if one["command"][0] == "serve-module"]

    assert sorted(commands) == [
        ["serve-module", slug, "--bootstrap", f"/bootstrap/{slug}.json"] for slug in slugs(module_folders([]))
    ]


def test_what_is_killed_is_started_again() -> None:
    restarts = {name: one["restart"] for name, one in COMPOSE["services"].items()}

    assert (restarts.pop("users"), restarts.pop("provision")) == ("no", "on-failure")  # they end
    assert set(restarts.values()) == {"unless-stopped"}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    folders = folders_of(tmp_path / "database")
    folders.create()
    running = Cluster(tmp_path, Postgres(folders, Passwords(folders.secrets)))
    try:
        anyio.run(running.postgres.start)
        running.start()
        yield running
    finally:
        running.stop()
        anyio.run(running.postgres.stop)


async def missed_reads(cluster: Cluster) -> int:
    """Return how many of 200 results that a stream has just taken are not found there, by whichever server one asks."""
    told = json.loads((cluster.folder / "router.json").read_text())
    found: list[bytes | None] = []
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await connect(url, user=told["nats_user"], password=told["nats_password"], name="gateway")
            for url in told["nats_url"].split(",")
        ]
        for client in clients:
            stack.push_async_callback(client.close)
        for number in range(200):
            client, subject = clients[number % 3], f"cmdres.nobody.{number}"
            await publish_first(client, Message(subject, subject, b"{}"))
            found.append(await last_message(client, RESULTS, subject))
    return found.count(None)


def test_won_deals_become_one_draft_each_while_one_of_each_kind_is_killed(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1 and S2 on the clustered shape"""
    monkeypatch.setattr(jetstream, "_TIMEOUT_S", PATIENCE_S)  # whoever asks a busy server asks again; here nobody does
    token = cluster.sign_in()

    def ask(query: str, router: str = "router-1", **variables: Any) -> Any:
        return cluster.request("/graphql", {"query": query, "variables": variables}, token, router)

    def do(name: str, selection: str, router: str = "router-1", /, **arguments: Any) -> Any:
        kind = name[0].upper() + name[1:] + "Input"
        query = f"mutation($i: {kind}!) {{ {name}(input: $i) {{ {selection} userErrors {{ code }} }} }}"
        answer = ask(query, router, i=arguments)
        assert not answer.get("errors"), answer
        assert answer["data"][name]["userErrors"] == [], answer
        return answer["data"][name]

    def known(router: str = "router-1") -> bool:  # the tenant has come to every module
        query = "{ customers { totalCount } invoices { totalCount } employees { totalCount } }"
        return "errors" not in ask(query, router)

    until(known)
    until(lambda: not ask('mutation { registerCustomer(input: {name: "first"}) { customer { id } } }').get("errors"))
    do("setDefaultTax", "taxDefault { id }", code="VAT13", ratePct="13", roundingRule="PER_LINE")
    customer = do("registerCustomer", "customer { id }", name="C-ACME", currency="CNY")["customer"]["id"]
    department = do("openDepartment", "department { id }", name="Sales of the cluster")["department"]["id"]
    hired = {"fullName": "Bo", "departmentId": department, "hiredOn": "2026-01-01", "jobTitle": "Sales"}
    bo = do("hireEmployee", "employee { id }", **hired)["employee"]["id"]
    tiers = [{"fromAmount": "0", "ratePct": "5"}]
    plan = {"name": "P1", "currency": "CNY", "tiers": tiers, "validFrom": "2026-01-01"}
    plan_id = do("defineCommissionPlan", "commissionPlan { id }", **plan)["commissionPlan"]["id"]
    assigned = {"employeeId": bo, "planId": plan_id, "validFrom": "2026-01-01"}
    do("assignCommissionPlan", "planAssignment { id }", **assigned)

    def win(title: str, router: str = "router-1") -> str:
        amount = {"amount": "24000.00", "currency": "CNY"}
        opened = {"customerId": customer, "title": title, "amount": amount, "salespersonId": bo}
        deal = do("openDeal", "deal { id }", router, **opened)["deal"]["id"]
        do("closeDealWon", "deal { status }", router, dealId=deal, closedOn="2026-03-10")
        return deal

    def listed(seen: Any, field: str) -> list[Any]:  # nothing while crm, or who has the list, doesn't answer
        deal = (seen.get("data") or {}).get("deal") or {}
        return deal.get(field) or []

    def drafts(deal: str, router: str = "router-1") -> list[str]:
        seen = ask("query($id: ID!) { deal(id: $id) { invoices { grossTotal { amount } } } }", router, id=deal)
        return [one["grossTotal"]["amount"] for one in listed(seen, "invoices")]

    def commissions(deal: str, router: str = "router-1") -> list[str]:
        seen = ask("query($id: ID!) { deal(id: $id) { commissions { amount { amount } } } }", router, id=deal)
        return [one["amount"]["amount"] for one in listed(seen, "commissions")]

    first = win("S1")
    until(lambda: drafts(first) == ["27120.00"] and commissions(first) == ["1200.00"])

    assert anyio.run(missed_reads, cluster) == 0

    before = {path.name: path.read_text() for path in (cluster.folder / "secrets").iterdir()}
    cluster.rotate_users()
    assert known()
    cluster.provision("--rotate")
    cluster.tell_routers()
    assert known()
    until(cluster.have_moved)
    cluster.rotate_users()
    after = {path.name: path.read_text() for path in (cluster.folder / "secrets").iterdir()}
    assert [name for name in before if before[name] == after.get(name)] == ["demo-logins.json"]
    changed = win("with other secrets")
    until(lambda: drafts(changed) == ["27120.00"])
    assert [name for name, process in cluster.processes.items() if process.poll() is not None] == []

    cluster.kill("invoicing again")
    cluster.kill("nats-2")
    second = win("one instance and one server less")
    until(lambda: drafts(second) == ["27120.00"])

    cluster.kill("invoicing")
    third = win("S2: nobody to draft it")
    assert ask("query($id: ID!) { deal(id: $id) { status invoices { id } } }", id=third)["data"] == {
        "deal": {"status": "WON", "invoices": None}
    }
    cluster.run(
        "invoicing", *cluster.services("serve-module")["invoicing"], "--socket", f"{cluster.folder}/invoicing.sock"
    )
    cluster.start_nats("nats-2")
    cluster.kill("router-1")
    cluster.kill_postgres()
    until(lambda: known("router-2"))
    until(lambda: drafts(third, "router-2") == ["27120.00"])
    assert drafts(first, "router-2") == drafts(second, "router-2") == ["27120.00"]
    until(lambda: [commissions(deal, "router-2") for deal in (first, second, third)] == [["1200.00"]] * 3)
    fourth = win("with a PostgreSQL that was killed", "router-2")
    until(lambda: drafts(fourth, "router-2") == ["27120.00"] and commissions(fourth, "router-2") == ["1200.00"])
