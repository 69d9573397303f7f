"""What is lost when processes die: clients post without pause while everything is killed at random, with `kill -9`.

Two modules of the real kit, Teller and Journal, with Identity, router, PostgreSQL and NATS under `mewayz up`. Clients post with
idempotency keys and repeat until they are answered, as clients do; a ledger keeps what was acknowledged to them. At the end
the databases are compared with it: `lost` (acknowledged, but not in Teller, or in Teller and not in Journal), `twice` (one
key, two postings; one posting, two entries), `out_of_order` (an entry that doesn't follow the one before it).
`wrong_answers`: of a reader who asks Identity, which isn't killed, while router, PostgreSQL and supervisor are well.
The seed decides who dies when; what they were doing then it can't decide.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import anyio

from benchmarks.chaos_killer import KINDS, Killer
from benchmarks.chaos_ledger import compare
from benchmarks.chaos_load import Clients, Reader, Token
from mewayz.compose import compose_modules
from tests.services import Platform

MODULES = Path(__file__).parent / "chaos_modules"
_SHORT = {"kills": 12, "pause_s": 1.5}
_WHOLE = {"kills": 210, "pause_s": 3.0}


def main() -> None:
    """Run, print, and exit with 1 if anything went wrong."""
    options = _options()
    sizes = _SHORT if options.short else _WHOLE
    with tempfile.TemporaryDirectory() as folder:
        found = run(
            Path(options.data or folder),
            seed=options.seed,
            kills=options.kills or sizes["kills"],
            pause_s=sizes["pause_s"],
        )
    print(json.dumps(found))
    sys.exit(0 if is_sound(found) else 1)


def run(folder: Path, *, seed: int, kills: float, pause_s: float) -> dict[str, Any]:
    """Run the platform in `folder` through `kills` deaths, about `pause_s` apart; return what was found."""
    if compose_modules(check=False, into=folder / "schema", modules_from=[str(MODULES)]):
        sys.exit("The modules of the chaos run don't compose.")
    arguments = ["--modules", "identity,journal,teller", "--supergraph", str(folder / "schema" / "supergraph.graphql")]
    platform = Platform(folder / "data", *arguments, "--demo-scale", "0", modules_from=[MODULES], demo=True)
    platform.start(timeout_s=120)
    try:
        return anyio.run(_run, platform, random.Random(seed), int(kills), pause_s, seed)
    finally:
        platform.stop()


def is_sound(found: dict[str, Any]) -> bool:
    """Return whether nothing was lost, doubled, out of order or wrong."""
    return not any(found[name] for name in ("lost", "twice", "out_of_order", "wrong_answers", "waiting"))


async def _run(platform: Platform, chance: random.Random, kills: int, pause_s: float, seed: int) -> dict[str, Any]:
    token = Token(platform)
    clients, reader = Clients(platform, token), Reader(platform, token)
    await clients.open_accounts()
    killer = Killer(platform, chance)
    started = time.monotonic()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clients.run)
        tasks.start_soon(reader.run)
        await asyncio.sleep(1)
        died: list[tuple[str, float]] = []
        for kind in _order(chance, kills):
            died.append((kind, await killer.kill(kind)))
            reader.expect_trouble(kind)  # not before: until it could be killed, right answers may have come for long
            print(f"{died[-1][1] - started:7.1f} s  {len(clients.acked):6} acked  kill {kind}", file=sys.stderr)
            await asyncio.sleep(pause_s * chance.uniform(0.5, 1.5))
        await killer.all_well()
        took_s = time.monotonic() - started
        clients.stop()
        reader.stop()
    ledger = await compare(platform, clients)
    return {
        "seed": seed,
        "kills": len(died),
        "by_kind": dict(sorted(Counter(kind for kind, _ in died).items())),
        "acked": len(clients.acked),
        "acked_per_s": round(len(clients.acked) / took_s),
        "repeats": clients.repeats,
        "queries": reader.judged,
        "longest_pause_s": {kind: round(pause, 1) for kind, pause in _pauses(clients.acked_at, died).items()},
        **ledger,
        "wrong_answers": len(reader.wrong),
        "first_wrong": reader.wrong[:1],
    }


def _order(chance: random.Random, kills: int) -> list[str]:
    """Return who dies when: each kind as often as any other."""
    found: list[str] = []
    while len(found) < kills:
        found += chance.sample(KINDS, len(KINDS))
    return found[:kills]


def _pauses(acked_at: list[float], died: list[tuple[str, float]]) -> dict[str, float]:
    """Return, by kind, the longest time from a death to the next command acknowledged that began after it."""
    longest: dict[str, float] = {}
    for kind, at in died:
        after = next((moment - at for moment in acked_at if moment > at), 0.0)
        longest[kind] = max(longest.get(kind, 0.0), after)
    return dict(sorted(longest.items()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Everything is killed at random under load")
    parser.add_argument("--json", action="store_true", help="print one line of JSON only (it always does)")
    parser.add_argument("--short", action="store_true", help="12 kills instead of 210")
    parser.add_argument("--kills", type=int, help="another number")
    parser.add_argument("--data", help="a folder to keep: logs and databases can be looked at afterwards")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
