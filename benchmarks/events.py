"""How fast facts travel: a command of one module, its event, and the transaction of another module's handler.

CRM registers customers, Projects keeps their names: two processes of the real kit with PostgreSQL and NATS, as the platform
runs them. `sustained_per_s`: commands and their effects together, the writers held back where the effects fall behind.
`p50_ms`, `p99_ms`: from the start of the command to the commit of the effect, at 100 commands a second.
`backlog_per_s`: events that wait when the consumer starts, through Projects' handler; `backlog_sql_per_s`: through a handler
of one SQL statement. `bare_sql_per_s`: the same two transactions written by hand in SQL, without kit, relay and NATS: the
yardstick of this machine at this moment. `cpu_ms_per_fact`: what the two modules' processes burn for one command and its
effect, start included; it hardly depends on what else the machine does.
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import anyio

from benchmarks.events_bare import bare_sql
from benchmarks.events_world import World, backlog, effects, writers

_SHORT = {"seconds": 6.0, "backlog": 3000}
_WHOLE = {"seconds": 60.0, "backlog": 20000}


def main() -> None:
    """Measure and print."""
    options = _options()
    sizes = _SHORT if options.short else _WHOLE
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(anyio.run(_measure, Path(folder), sizes["seconds"], int(sizes["backlog"]))))


async def _measure(folder: Path, seconds: float, waiting: int) -> dict[str, Any]:
    async with World.started(folder) as world:
        calm = await _through(world, seconds, per_s=100.0)
        busy = await _through(world, seconds, per_s=None)
        milliseconds = sorted(calm["latencies_ms"])
        cuts = statistics.quantiles(milliseconds, n=100)
        figures = {
            "sustained_per_s": round(busy["done"] / busy["took_s"]),
            "p50_ms": round(cuts[49], 1),
            "p99_ms": round(cuts[98], 1),
            "sustained_p50_ms": round(statistics.median(busy["latencies_ms"]), 1),
            "cpu_ms_per_fact": round(busy["cpu_ms"], 2),
            "bare_sql_per_s": round(await bare_sql(world, min(seconds, 10.0))),
        }
        for name, handler in (("backlog_per_s", "kit"), ("backlog_sql_per_s", "sql")):
            figures[name] = round(await _backlog(world, waiting, handler))
    return figures


async def _through(world: World, seconds: float, *, per_s: float | None) -> dict[str, Any]:
    """Run writers and effects in a process each for some seconds."""
    spawn = multiprocessing.get_context("spawn")
    total, done = spawn.Value("q", -1), spawn.Value("q", 0)
    starts, ends = spawn.SimpleQueue(), spawn.SimpleQueue()
    consumer = spawn.Process(target=effects, args=(world.projects, ends, total, done), daemon=True)
    writer = spawn.Process(target=writers, args=(world.crm, starts, total, done, seconds, per_s), daemon=True)
    for process in (consumer, writer):
        process.start()
    written, applied = await _result(starts, writer), await _result(ends, consumer)
    started, ended = written["started"], applied["ended"]
    last = max(ended[key] for key in started)
    return {
        "done": len(started),
        "took_s": last - min(started.values()),
        "cpu_ms": written["cpu_ms"] + applied["cpu_ms"],
        "latencies_ms": [(ended[key] - started[key]) * 1000 for key in started],
    }


async def _backlog(world: World, waiting: int, handler: str) -> float:
    """Put events on the stream, then start a consumer; return how many it applied a second."""
    await world.publish_customers(waiting)
    spawn = multiprocessing.get_context("spawn")
    results = spawn.SimpleQueue()
    consumer = spawn.Process(target=backlog, args=(world.projects, results, waiting, handler), daemon=True)
    consumer.start()
    return waiting / await _result(results, consumer)


async def _result(results: Any, process: Any) -> Any:
    """Return what a process tells; fail where it dies."""
    while results.empty():
        if not process.is_alive():
            sys.exit("A process of the benchmark died.")
        await asyncio.sleep(0.05)
    result = results.get()
    await asyncio.to_thread(process.join)
    return result


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Commands, events and their effects")
    parser.add_argument("--json", action="store_true", help="print one line of JSON only (it always does)")
    parser.add_argument("--short", action="store_true", help="some seconds instead of some minutes")
    return parser.parse_args()


if __name__ == "__main__":
    main()
