"""All 208 modules on one machine: how fast they are addressable, what they hold asleep and awake, what waking one costs.

Modules without code yet are written from the catalogue (benchmarks/synthetic.py). `up_s`: with data present, from starting
`mewayz up` to all modules addressable and the API answering. `asleep_mb`, `awake_mb`: the sum of PSS over all processes, which
depends on the Python (decision 0023); `module_mb`: the mean of the modules. `wake_ms`: what the first query of a sleeping module
takes longer than its second. Each first answer must hold the row that the module itself planted. `recovery_s`: from `kill -9`
of a module to its first answer.
"""

import argparse
import json
import os
import platform as machine
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.startup import pss_mb
from benchmarks.synthetic import first_fields, write_modules
from mewayz.compose import compose_modules
from tests.services import Platform

_KILLS = 10
_FIRST_START_S = 1800


def main() -> None:
    """Measure and print."""
    options = _options()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.data or temporary)
        known = set(write_modules(folder / "modules", options.modules))
        _compose(folder)
        platform = _platform(folder)
        started = time.monotonic()
        platform.start(timeout_s=_FIRST_START_S)  # makes databases and rows
        figures: dict[str, Any] = {"python": machine.python_version(), "modules": len(known)}
        figures["first_start_s"] = round(time.monotonic() - started, 1)
        platform.stop(timeout_s=120)
        started = time.monotonic()
        platform.start(timeout_s=120)
        figures["up_s"] = round(time.monotonic() - started, 2)
        print(figures, file=sys.stderr)
        try:
            figures.update(
                _measure(platform, {slug: of for slug, of in first_fields().items() if slug in known}, options)
            )
        finally:
            platform.stop(timeout_s=120)
    print(json.dumps(figures))


def _measure(platform: Platform, fields: dict[str, str], options: argparse.Namespace) -> dict[str, Any]:
    time.sleep(options.quiet)
    states = [module["state"] for module in platform.status()["modules"]]
    figures: dict[str, Any] = {"asleep": states.count("asleep"), "asleep_mb": round(sum(pss_mb(platform).values()), 1)}
    print(figures, file=sys.stderr)
    token = platform.token("lumen")
    extra: list[float] = []
    started = time.monotonic()
    for field in fields.values():
        first, second = (_query_ms(platform, field, token) for _ in range(2))
        extra.append(first - second)
    figures["all_answered_s"] = round(time.monotonic() - started, 1)
    figures["wake_ms_p50"] = round(statistics.median(extra), 1)
    figures["wake_ms_p95"] = round(statistics.quantiles(extra, n=20)[18], 1)
    figures["recovery_s"] = max(_recovery_s(platform, slug, fields[slug], token) for slug in list(fields)[:_KILLS])
    for module in platform.status()["modules"]:
        if module["state"] == "asleep":
            platform.run("start", module["name"])
    time.sleep(options.quiet)
    figures["awake"] = [module["state"] for module in platform.status()["modules"]].count("ready")
    held = pss_mb(platform)
    figures["awake_mb"] = round(sum(held.values()), 1)
    figures["module_mb"] = round(statistics.mean(held[slug] for slug in fields), 1)
    if not options.json:
        shown = [(name, held[name]) for name in ("postgres", "nats", "router", "zygote", "supervisor", "up")]
        print(*(f"{name:<14} {mb:7.1f} MB" for name, mb in shown), sep="\n")
    return figures


def _query_ms(platform: Platform, field: str, token: str) -> float:
    """Ask for the module's own row, and return how long the answer took; fail where it is another."""
    started = time.perf_counter()
    answer = platform.graphql(f"{{ {field}(first: 1) {{ nodes {{ __typename id }} }} }}", token=token)
    took = (time.perf_counter() - started) * 1000
    assert not answer.get("errors"), answer["errors"]
    assert len(answer["data"][field]["nodes"]) == 1, answer
    return took


def _recovery_s(platform: Platform, slug: str, field: str, token: str) -> float:
    os.kill(platform.module(slug)["pid"], signal.SIGKILL)
    killed = time.monotonic()
    while True:
        answer = platform.graphql(f"{{ {field}(first: 1) {{ nodes {{ id }} }} }}", token=token)
        if not answer.get("errors"):
            return round(time.monotonic() - killed, 2)
        time.sleep(0.02)


def _platform(folder: Path) -> Platform:
    supergraph = folder / "schema" / "supergraph.graphql"
    arguments = ["--demo-scale", "0", "--lazy", "--idle", "0", "--supergraph", str(supergraph)]
    return Platform(folder / "data", *arguments, modules_from=[folder / "modules"], demo=True)


def _compose(folder: Path) -> None:
    code = compose_modules(check=False, into=folder / "schema", modules_from=[str(folder / "modules")])
    assert code == 0, "the modules don't compose"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="208 modules on one machine")
    parser.add_argument("--json", action="store_true", help="print one line of JSON only")
    parser.add_argument("--short", action="store_true", help="20 modules")
    parser.add_argument("--modules", type=int, default=208)
    parser.add_argument("--data", help="a folder to keep; without it a fresh one")
    parser.add_argument("--quiet", type=float, default=30, help="seconds of rest before memory is measured")
    options = parser.parse_args()
    if options.short:
        options.modules, options.quiet = min(options.modules, 20), min(options.quiet, 5)
    return options


if __name__ == "__main__":
    main()
