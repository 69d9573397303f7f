"""Queued commands through outages: each is executed exactly once, in order, or refused with a receipt that says why.

An outage: CRM is killed, commands go on being sent, CRM starts again; in every second outage it is killed once more while
it executes what waits. Half of the commands have an idempotency key, and are then sent twice. The ledger is what the
client was told; it is compared with the rows in CRM's database. `overtook` counts commands that were executed directly
before one that waited: allowed where a queue takes more than 10 s.

`drained_per_s` is the rate at which a queue of `--backlog` commands of one tenant, executed one after the other, is worked
off; `direct_per_s` that of commands sent to the running module by one client.
"""

import argparse
import http.client
import itertools
import json
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.clock import SystemClock, new_id
from tests.services import Platform
from tests.stories.world import World
from tests.waiting import until

_COMMAND = """mutation($input: RegisterCustomerInput!) {
  registerCustomer(input: $input) { customer { id } userErrors { code } receipt { id status } }
}"""
_RECEIPT = "query($id: ID!) { receipt(id: $id) { status userErrors { code } } }"
_TENANT = "lumen"


@dataclass
class Ledger:
    """What the client was told: names in the order in which they were sent, the receipts of those that waited."""

    sent: list[str] = field(default_factory=list[str])
    queued: dict[str, str] = field(default_factory=dict[str, str])
    refused: int = 0
    milliseconds: list[float] = field(default_factory=list[float])


class Client:
    """One client with a kept connection, as the tenant's owner."""

    def __init__(self, world: World) -> None:
        """Call the API of `world`."""
        self._world = world
        self._connection = http.client.HTTPConnection("127.0.0.1", world.platform.port, timeout=30)

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Send an operation and return the answer."""
        headers = {
            "content-type": "application/json",
            "authorization": f"Bearer {self._world.token(_TENANT)}",
        }
        self._connection.request("POST", "/graphql", json.dumps({"query": query, "variables": variables}), headers)
        return json.loads(self._connection.getresponse().read())

    def register(self, ledger: Ledger, key: str | None) -> str:
        """Register a customer of a new name and return what became of the command."""
        name = f"Customer {new_id(SystemClock().now())}"
        given = {"name": name, "currency": "CNY", **({"idempotencyKey": key} if key else {})}
        began = time.perf_counter()
        answer = self.ask(_COMMAND, input=given)
        took = (time.perf_counter() - began) * 1000
        if "errors" in answer:  # nothing was promised
            ledger.refused += 1
            return "refused"
        receipt = answer["data"]["registerCustomer"]["receipt"]
        if key is not None:
            again = self.ask(_COMMAND, input=given)["data"]["registerCustomer"]["receipt"]
            assert again["id"] == receipt["id"], "the same key is the same receipt"
        ledger.sent.append(name)
        if receipt["status"] == "QUEUED":
            ledger.queued[name] = receipt["id"]
            ledger.milliseconds.append(took)
        return receipt["status"]

    def status(self, receipt: str) -> str:
        """Return what became of a command that waited."""
        found = self.ask(_RECEIPT, id=receipt)["data"]["receipt"]
        return found["status"] if found else "UNKNOWN"


def main() -> None:
    """Measure and print; exit 1 where a command was lost, executed twice or out of order."""
    options = _options()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        platform = Platform(Path(temporary), "--demo-scale", "0", "--modules", "crm,identity", demo=True)
        platform.start(timeout_s=300)
        try:
            world, ledger = World(platform), Ledger()
            client = Client(world)
            for number in range(options.outages):
                outage(client, ledger, chance, platform=platform, kills_twice=number % 2 == 1)
            direct = directly(client, ledger, 100)
            rate = drain(client, ledger, options.backlog, platform)
            figures = judged(world, client, ledger)
        finally:
            platform.stop()
    told = {"outages": options.outages, **figures, "drained_per_s": rate, "direct_per_s": direct, "seed": options.seed}
    print(json.dumps(told))
    sys.exit(1 if told["lost"] or told["twice"] or told["out_of_order"] else 0)


def outage(client: Client, ledger: Ledger, chance: random.Random, *, platform: Platform, kills_twice: bool) -> None:
    """Kill CRM, send commands until one is executed directly again."""
    platform.run("stop", "crm", "--kill")
    for _ in range(chance.randint(5, 25)):
        client.register(ledger, str(new_id(SystemClock().now())) if chance.random() < 0.5 else None)
    platform.run("start", "crm")
    if kills_twice:
        time.sleep(chance.uniform(0, 0.3))
        platform.run("stop", "crm", "--kill")
        client.register(ledger, None)
        platform.run("start", "crm")
    end = time.monotonic() + 60
    while client.register(ledger, None) != "DONE":
        assert time.monotonic() < end, "CRM did not come back"
        time.sleep(0.2)


def directly(client: Client, ledger: Ledger, size: int) -> float:
    """Return how many commands a second one client has executed by the running module."""
    began = time.monotonic()
    for _ in range(size):
        client.register(ledger, None)
    return round(size / (time.monotonic() - began), 1)


def drain(client: Client, ledger: Ledger, size: int, platform: Platform) -> float:
    """Let `size` commands wait; return how many a second are executed when CRM is back."""
    platform.run("stop", "crm", "--kill")
    before = len(ledger.queued)
    for _ in range(size):
        client.register(ledger, None)
    receipts = list(ledger.queued.values())[before:]
    platform.run("start", "crm")
    until(lambda: client.status(receipts[0]) == "DONE", 180)
    began = time.monotonic()
    until(lambda: client.status(receipts[-1]) != "QUEUED", 360)
    return round((len(receipts) - 1) / (time.monotonic() - began), 1)


def judged(world: World, client: Client, ledger: Ledger) -> dict[str, Any]:
    """Compare the ledger with the database."""
    until(lambda: all(client.status(one) != "QUEUED" for one in list(ledger.queued.values())[-20:]), 90)
    statuses = [client.status(receipt) for receipt in ledger.queued.values()]
    tenant = world.ask(_TENANT, "{ dashboard { id } }")["data"]["dashboard"]["id"]
    statement = "select name from customer where name like 'Customer %' order by created_at, id"
    rows = [row["name"] for row in world.rows("crm", tenant, statement)]
    place = {name: number for number, name in enumerate(rows)}
    order = [place[name] for name in ledger.queued if name in place]
    everything = [place[name] for name in ledger.sent if name in place]
    overtook = sum(later < earlier for earlier, later in itertools.pairwise(everything))
    return {
        "commands": len(ledger.sent),
        "queued": len(ledger.queued),
        "done": statuses.count("DONE"),
        "refused": ledger.refused + len(statuses) - statuses.count("DONE"),
        "lost": sum(name not in place for name in ledger.sent),
        "twice": len(rows) - len(place),
        "out_of_order": sum(later < earlier for earlier, later in itertools.pairwise(order)),
        "overtook": overtook,
        "queue_p50_ms": round(statistics.median(ledger.milliseconds), 2),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outages", type=int, default=None, help="50, with --short 4")
    parser.add_argument("--backlog", type=int, default=None, help="900, with --short 100")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--json", action="store_true", help="print one line of JSON, last (it is all that is printed)")
    options = parser.parse_args()
    options.outages = options.outages or (4 if options.short else 50)
    options.backlog = options.backlog or (100 if options.short else 900)
    return options


if __name__ == "__main__":
    main()
