"""How many requests our plain router answers beside @apollo/gateway and Hive Gateway, all in one run.

The query and the four subgraphs are those of the public gateways benchmark (users, their reviews, the products reviewed);
the answers are ours, and kept: a stub executes each document once. Router and load have a core each. Every router answers
the same data, which is checked. The others are installed by npm, once, into a folder of the temporary directory, or
`--nodes FOLDER/node_modules` says where they are.

Printed: requests a second at 1, 16 and 50 clients, the median of the rounds; each ratio is the smallest over clients.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import graphql as g
import httptools
import uvloop

from router.composition.compose import compose
from router.composition.subgraph import Subgraph
from router.execution.transport import Transport, TransportError

HERE = Path(__file__).parent
CLIENTS = (1, 16, 50)
PACKAGES = (
    "@apollo/gateway", "@graphql-hive/gateway-runtime", "@graphql-mesh/transport-http", "@graphql-hive/router-runtime",
    "graphql@16",
)  # fmt: skip
OTHERS = ("apollo", "hive", "hive-rust")
_LINK = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable", "@external", '
    '"@requires", "@provides"])\n'
)
_SUBGRAPHS = {
    "accounts": """type Query { me: User users: [User] }
        type User @key(fields: "id") { id: ID! name: String username: String @shareable birthday: String }""",
    "inventory": """type Product @key(fields: "upc") { upc: String! weight: Int @external price: Int @external
        inStock: Boolean shippingEstimate: Int @requires(fields: "price weight") }""",
    "products": """type Query { topProducts(first: Int = 5): [Product] }
        type Product @key(fields: "upc") { upc: String! name: String price: Int weight: Int }""",
    "reviews": """type Review @key(fields: "id") { id: ID! body: String product: Product
          author: User @provides(fields: "username") }
        type User @key(fields: "id") { id: ID! username: String @external reviews: [Review] }
        type Product @key(fields: "upc") { upc: String! reviews: [Review] }""",
}
_PRODUCT = "inStock name price shippingEstimate upc weight"
_INNER = f"reviews {{ id body product {{ {_PRODUCT} }} }}"
_AUTHORS = f"reviews {{ id body author {{ id username name {_INNER} }} }}"
QUERY = (
    f"query Test {{ users {{ id username name reviews {{ id body product {{ {_PRODUCT} {_AUTHORS} }} }} }} "
    f"topProducts {{ {_PRODUCT} {_AUTHORS} }} }}"
)


class Stub:
    """The four subgraphs on one port; what was asked before is answered from memory."""

    def __init__(self) -> None:
        products = [{"upc": str(n), "name": f"Product {n}", "price": n * 100, "weight": n} for n in range(1, 6)]
        users = [{"id": str(n), "name": f"User {n}", "username": f"user{n}"} for n in range(1, 4)]
        reviews = [
            {"id": f"{u['id']}-{p['upc']}", "body": "Good. " * 5, "product": p, "author": u}
            for u in users for p in products if (int(u["id"]) + int(p["upc"])) % 2
        ]  # fmt: skip
        for one in (*users, *products):
            one["reviews"] = [each for each in reviews if one in (each["author"], each["product"])]
        self._rows = {"User": {u["id"]: u for u in users}, "Product": {p["upc"]: p for p in products}}
        self._rows["Review"] = {one["id"]: one for one in reviews}
        self._roots = {"users": users, "topProducts": products, "me": users[0]}
        self._schemas = {name: self._schema(sdl) for name, sdl in _SUBGRAPHS.items()}
        self._kept: dict[tuple[str, bytes], bytes] = {}

    def answer(self, path: str, body: bytes) -> bytes:
        """Return the answer of the subgraph that `path` names."""
        found = self._kept.get((path, body))
        if found is None:
            request = json.loads(body)
            result = g.graphql_sync(
                self._schemas[path.strip("/")], request["query"], variable_values=request.get("variables"),
                field_resolver=self._resolve, type_resolver=lambda value, *_: value["__typename"],
            )  # fmt: skip
            assert not result.errors, result.errors
            found = self._kept[path, body] = json.dumps(result.formatted).encode()
        return found

    @staticmethod
    def _schema(sdl: str) -> g.GraphQLSchema:
        keyed = [name for name in ("User", "Product", "Review") if f"type {name} @key" in sdl]
        text = sdl if "type Query" in sdl else f"type Query {{ _: Int }} {sdl}"
        text += f" scalar _Any union _Entity = {' | '.join(keyed)}"
        text += " extend type Query { _entities(representations: [_Any!]!): [_Entity]! }"
        return g.build_schema(text, assume_valid=True, assume_valid_sdl=True)

    def _resolve(self, source: Any, info: g.GraphQLResolveInfo, **arguments: Any) -> Any:
        name = info.field_name
        if source is None and name == "_entities":
            return [self._entity(one) for one in arguments["representations"]]
        if source is None:
            return self._roots[name]
        if name == "inStock":
            return True
        return source["price"] * source["weight"] if name == "shippingEstimate" else source.get(name)

    def _entity(self, told: dict[str, Any]) -> dict[str, Any]:
        key = told["upc"] if told["__typename"] == "Product" else told["id"]
        return {**self._rows[told["__typename"]][key], **told}


class _Served(asyncio.Protocol):
    """One connection to the stub: the least HTTP there is, so that what is measured is the router."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._parser = httptools.HttpRequestParser(self)
        self._transport: Any = None
        self._path, self._body = "", b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path, self._body = url.decode(), b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        found = self._stub.answer(self._path, self._body)
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(found)
        self._transport.write(head + found)


async def serve_stub(stub: Stub) -> asyncio.Server:
    """Serve the stub on a free port."""
    return await asyncio.get_running_loop().create_server(lambda: _Served(stub), "127.0.0.1", 0)


class Router:
    """One router as a process on a core of its own."""

    def __init__(self, name: str, supergraph: Path, port: int, nodes: str) -> None:
        self.url = f"http://127.0.0.1:{port}/graphql"
        command = ["node", str(HERE / "gateways.mjs"), nodes, name, str(supergraph), str(port)]
        if name == "mewayz":
            options = ["serve-router", "--plain", "--supergraph", str(supergraph), "--port", str(port)]
            command = [sys.executable, "-m", "mewayz", *options]
        self._process = subprocess.Popen(_on_core(0, command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait(10)

    async def asked(self, transport: Transport) -> bytes:
        """Send the query once and return the answer."""
        body = json.dumps({"query": QUERY}).encode()
        headers = (("content-type", "application/json"), ("accept", "application/json"))
        return (await transport.request(self.url, headers=headers, body=body, until=time.monotonic() + 20)).body

    async def ready(self, transport: Transport) -> Any:
        """Wait until it answers, and return the data."""
        for _ in range(200):
            try:
                return json.loads(await self.asked(transport)).get("data")
            except (TransportError, ValueError):
                await asyncio.sleep(0.1)
        raise SystemExit(f"{self.url} did not come up")

    async def rate(self, transport: Transport, clients: int, seconds: float) -> float:
        """Return how many requests a second it answers to so many clients."""
        until = time.perf_counter() + seconds
        counts = [0] * clients

        async def ask(number: int) -> None:
            while time.perf_counter() < until:
                await self.asked(transport)
                counts[number] += 1

        began = time.perf_counter()
        await asyncio.gather(*(ask(number) for number in range(clients)))
        return sum(counts) / (time.perf_counter() - began)


def _on_core(core: int, command: list[str]) -> list[str]:
    return ["taskset", "-c", str(core), *command] if hasattr(os, "sched_setaffinity") else command


async def measure(nodes: str, seconds: float, rounds: int) -> dict[str, dict[int, float]]:
    """Return requests a second by router and number of clients: routers take turns, in each round."""
    transport = Transport()
    server = await serve_stub(Stub())
    port = server.sockets[0].getsockname()[1]
    parts = [Subgraph(name, f"http://127.0.0.1:{port}/{name}", _LINK + sdl) for name, sdl in _SUBGRAPHS.items()]
    composed = compose(parts)
    assert composed.sdl, composed.errors
    found: dict[str, dict[int, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        supergraph = Path(folder) / "supergraph.graphql"
        supergraph.write_text(composed.sdl)
        names = ("mewayz", *OTHERS)
        routers = {name: Router(name, supergraph, port + 1 + n, nodes) for n, name in enumerate(names)}
        try:
            answers = {name: await router.ready(transport) for name, router in routers.items()}
            for name, answer in answers.items():
                assert answer == answers["mewayz"], f"{name} answers other data"
            for _ in range(rounds):
                for clients in CLIENTS:
                    for name, router in routers.items():
                        await router.rate(transport, clients, seconds / 3)  # warm up
                        rate = await router.rate(transport, clients, seconds)
                        found.setdefault(name, {}).setdefault(clients, []).append(rate)
        finally:
            for router in routers.values():
                router.stop()
    server.close()
    transport.close()
    return {name: {c: statistics.median(rates) for c, rates in by.items()} for name, by in found.items()}


def installed() -> Path:
    """Return the folder of the other routers' packages, installing them where that was not done yet."""
    folder = Path(tempfile.gettempdir()) / "mewayz-gateways"
    if not (folder / "node_modules" / "@apollo" / "gateway").exists():
        folder.mkdir(exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--silent", *PACKAGES]
        subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)
    return folder / "node_modules"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=Path, help="the folder node_modules")
    parser.add_argument("--short", action="store_true", help="one round of short turns")
    parser.add_argument("--json", action="store_true", help="print one line")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    nodes = str((options.nodes or installed()).resolve())
    found = uvloop.run(measure(nodes, 1.0 if options.short else 4.0, 1 if options.short else 3))
    ours = found["mewayz"]
    ratios = {name: min(ours[c] / found[name][c] for c in CLIENTS) for name in OTHERS}
    if not options.json:
        for name, rates in found.items():
            print(f"{name:<10}", *(f"c={c}: {rate:7.1f}/s" for c, rate in rates.items()))
    names = {"apollo": "ratio_apollo_gateway", "hive": "ratio_hive_gateway", "hive-rust": "ratio_hive_rust"}
    print(json.dumps({**{names[one]: round(ratio, 2) for one, ratio in ratios.items()}, "rps": round(ours[50], 1)}))


if __name__ == "__main__":
    main()
