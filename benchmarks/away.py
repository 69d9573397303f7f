"""NATS is away for ten minutes: commands go on, their events wait in the outbox, and have their effect once it is back.

CRM registers customers at `--per-second`, Projects keeps their names, in one process. `waiting`: events in the outbox when
NATS came back; `caught_up_s`: from then until the last had its effect; `slowest_ms`: the slowest command meanwhile.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from benchmarks.events_world import World, known, register, running
from shared.wire.log import configure_log


def main() -> None:
    """Measure and print; exit 1 where an effect is missing or came twice."""
    parser = argparse.ArgumentParser(description="NATS is away")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--per-second", type=float, default=20)
    parser.add_argument("--short", action="store_true", help="ten seconds")
    parser.add_argument("--json", action="store_true", help="print one line of JSON (it always does)")
    options = parser.parse_args()
    configure_log("error")
    with tempfile.TemporaryDirectory() as folder:
        found = uvloop.run(away(Path(folder), 10 if options.short else options.seconds, options.per_second))
    print(json.dumps(found))
    sys.exit(1 if found["lost"] or found["twice"] else 0)


async def away(folder: Path, seconds: float, per_second: float) -> dict[str, Any]:
    """Stop NATS for some seconds under load, and return what came of it."""
    applied: Counter[str] = Counter()
    async with (
        World.started(folder) as world,
        running(world.crm, None) as crm,
        running(world.projects, lambda customer: applied.update([customer])),
    ):
        tenant = world.crm.tenants[0]
        await known(crm, [tenant])
        customers = [await register(crm, tenant)]
        await world.nats.stop()
        slowest, end = 0.0, time.monotonic() + seconds
        while (begun := time.monotonic()) < end:
            customers.append(await register(crm, tenant))
            took = time.monotonic() - begun
            slowest = max(slowest, took)
            await asyncio.sleep(max(0.0, 1 / per_second - took))
        waiting = await _unsent(world)
        await world.nats.start()
        back, patience = time.monotonic(), time.monotonic() + 300
        while applied.keys() != set(customers) and time.monotonic() < patience:  # noqa: ASYNC110 other tasks
            await asyncio.sleep(0.05)
        caught_up = time.monotonic() - back
    return {
        "away_s": seconds,
        "written": len(customers),
        "waiting": waiting,
        "caught_up_s": round(caught_up, 1),
        "slowest_ms": round(slowest * 1000),
        "lost": len(set(customers) - applied.keys()),
        "twice": sum(count - 1 for count in applied.values()),
    }


async def _unsent(world: World) -> int:
    connection = await asyncpg.connect(world.crm.relay_url)
    try:
        return await connection.fetchval("select count(*) from kit.outbox")
    finally:
        await connection.close()


if __name__ == "__main__":
    main()
