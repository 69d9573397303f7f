"""How fast the router starts and plans on the supergraph of the catalogue's 208 subgraphs.

`start_s` and `start_kept_s`: from starting the process `mewayz serve-router --plain` to its first answer, without and with
the supergraph kept by an earlier start, by the clock, and `..._cpu_s` in CPU time; `memory_mb`: its resident memory then.
`first_ms`: the first plan ever of the dashboard over ten modules, with nothing known of what can be reached; `cold_ms`: a plan
that no cache knows, on a router that has planned before; parsing and validation left out, p50. `prepare_ms` with them;
`warm_us`: looking the prepared operation up, p50. Times of plans are CPU time.
"""

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
from graphql import OperationDefinitionNode, parse

from benchmarks.composition import catalogue
from router.composition import compose
from router.execution.prepared import Graph
from router.gateway.serving import rest_collector
from router.planning.planner import Operation, plan_operation
from router.supergraph.model import Kind, Supergraph, named
from router.supergraph.reach import Reach

_PORT = 4731
_ROOTS = 10
_FIELDS = 4


def main() -> None:
    """Measure and print."""
    options = _options()
    made = compose(catalogue())
    assert made.sdl is not None, made.errors
    graph = Graph.from_sdl(made.sdl)
    query = dashboard(graph)
    rest_collector()
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "supergraph.graphql"
        file.write_text(made.sdl)
        first, first_cpu, _ = started(file, Path(temporary) / "data")
        kept, kept_cpu, memory = started(file, Path(temporary) / "data")
    plan = graph.prepare(query).compiled.plan
    figures = {
        "subgraphs": len(graph.supergraph.subgraphs),
        "start_s": round(first, 2),
        "start_cpu_s": round(first_cpu, 2),
        "start_kept_s": round(kept, 2),
        "start_kept_cpu_s": round(kept_cpu, 2),
        "memory_mb": round(memory, 1),
        "fetches": len(plan.fetches),
        "levels": plan.levels,
        "modules": len({one.subgraph for one in plan.fetches}),
        "first_ms": round(cold_ms(graph, query, options.rounds, is_first=True), 2),
        "cold_ms": round(cold_ms(graph, query, options.rounds, is_first=False), 2),
        "prepare_ms": round(prepare_ms(graph, query, options.rounds), 2),
        "warm_us": round(warm_us(graph, query), 2),
    }
    print(json.dumps(figures) if options.json else "\n".join(f"{name:<14} {value}" for name, value in figures.items()))


def dashboard(graph: Graph) -> str:
    """Return a query of ten modules: a list of each, with some of its fields and an entity of another module."""
    supergraph = graph.supergraph
    found: dict[int, str] = {}
    for field in supergraph.types[supergraph.roots["query"]].fields.values():
        [owner] = field.sources if len(field.sources) == 1 else [-1]
        text = _connection(supergraph, field.name, named(field.type)) if owner not in found and owner >= 0 else None
        if text is not None:
            found[owner] = text
        if len(found) == _ROOTS:
            break
    return "{ " + " ".join(found.values()) + " }"


def _connection(supergraph: Supergraph, name: str, type_name: str) -> str | None:
    """Return a list field with fields of its nodes, if one of them leads to an entity that other modules add to."""
    one = supergraph.types.get(type_name)
    if one is None or one.kind is not Kind.OBJECT or "nodes" not in one.fields:
        return None
    node = supergraph.types[named(one.fields["nodes"].type)]
    leaves = [
        f.name for f in node.fields.values() if f.sources and not _is_object(supergraph, f.type) and not f.arguments
    ]
    hops = [
        f
        for f in node.fields.values()
        if _entity(supergraph, f.type) and not f.arguments and not f.type.startswith("[")
    ]
    if not hops:
        return None
    target = supergraph.types[named(hops[0].type)]
    foreign = [
        f.name
        for f in target.fields.values()
        if not _is_object(supergraph, f.type) and len(f.sources) == 1 and not f.arguments
    ]
    inner = " ".join(foreign[:_FIELDS]) or "id"
    return f"{name}(first: 10) {{ nodes {{ {' '.join(leaves[:_FIELDS])} {hops[0].name} {{ {inner} }} }} }}"


def _is_object(supergraph: Supergraph, reference: str) -> bool:
    one = supergraph.types.get(named(reference))
    return one is not None and one.kind in (Kind.OBJECT, Kind.INTERFACE, Kind.UNION)


def _entity(supergraph: Supergraph, reference: str) -> bool:
    one = supergraph.types.get(named(reference))
    return one is not None and one.kind is Kind.OBJECT and len({key.subgraph for key in one.keys if key.resolvable}) > 1


def cold_ms(graph: Graph, query: str, rounds: int, *, is_first: bool) -> float:
    """Return the median CPU milliseconds of a plan; with `is_first` nothing is known of what can be reached."""
    document = parse(query)
    [node] = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    took: list[float] = []
    for _ in range(rounds):
        reach = Reach(graph.supergraph) if is_first else graph.reach
        began = time.process_time()
        plan_operation(reach, graph.schema, Operation(document, node, {}))
        took.append((time.process_time() - began) * 1000)
    return statistics.median(took)


def prepare_ms(graph: Graph, query: str, rounds: int) -> float:
    """Return the median CPU milliseconds of preparing an operation: parsing, validation, plan, generated code."""
    took: list[float] = []
    for number in range(rounds):
        began = time.process_time()
        graph.prepare(query.replace("{", f"{{ t{number}: __typename", 1))
        took.append((time.process_time() - began) * 1000)
    return statistics.median(took)


def warm_us(graph: Graph, query: str) -> float:
    """Return the median microseconds of looking up a prepared operation."""
    graph.prepare(query)
    took: list[float] = []
    for _ in range(200):
        began = time.perf_counter()
        for _ in range(100):
            graph.prepare(query)
        took.append((time.perf_counter() - began) * 1e4)
    return statistics.median(took)


def started(supergraph: Path, data: Path) -> tuple[float, float, float]:
    """Start a plain router; return the seconds to its first answer, its CPU seconds and megabytes."""
    began = time.monotonic()
    command = [sys.executable, "-m", "mewayz", "serve-router", "--plain", "--supergraph", str(supergraph)]
    with subprocess.Popen([*command, "--data", str(data), "--port", str(_PORT)], stdout=subprocess.DEVNULL) as process:
        try:
            while not _answers():
                if process.poll() is not None:
                    raise RuntimeError(f"the router ended with {process.returncode}")
                time.sleep(0.01)
            took, found = time.monotonic() - began, psutil.Process(process.pid)
            return took, sum(found.cpu_times()[:2]), found.memory_info().rss / (1 << 20)
        finally:
            process.terminate()
            process.wait()


def _answers() -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", _PORT, timeout=5)
    with suppress(OSError, http.client.HTTPException):
        connection.request("POST", "/graphql", '{"query": "{ __typename }"}', {"content-type": "application/json"})
        return connection.getresponse().status == 200
    return False


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Start and plans on the catalogue's supergraph")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=41)
    return parser.parse_args()


if __name__ == "__main__":
    main()
