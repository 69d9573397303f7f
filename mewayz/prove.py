"""`mewayz prove-isolation`: no query reaches another company's data, and the proof notices each wall that is missing."""

import copy
import json
import logging
import sys
import tempfile
import time
from pathlib import Path

import anyio
import structlog

from mewayz.proof.ids import Side
from mewayz.proof.operations import coordinates
from mewayz.proof.planted import find_planted
from mewayz.proof.report import Report
from mewayz.proof.scopes import SCOPES, targets_of
from mewayz.proof.timing import timing_of
from mewayz.proof.walk import Walk
from mewayz.proof.walls import WALLS
from mewayz.proof.world import World, start_world


def prove_isolation(*, short: bool = False, as_json: bool = False) -> int:
    """Prove, print the outcome and return the exit code: 0 where nothing leaked and every planted leak was found.

    `short` tries ids and keys alone, without commands and filters, and asks for no coverage; all leaks are planted.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mewayz-proof-") as folder:
        report, found = anyio.run(_prove, Path(folder), short, backend_options={"use_uvloop": True})
    _print(report, found, seconds=time.monotonic() - began, short=short, as_json=as_json)
    is_whole = short or not report.uncovered
    return 0 if is_whole and not report.leaks and all(found.values()) else 1


async def _prove(data: Path, short: bool) -> tuple[Report, dict[str, bool]]:
    report = Report()
    async with start_world(data) as world:
        await _walk_gateway(world, report, short=short)
        await _walk_modules(world, report, short=short)
        for wall in (*WALLS, *SCOPES):
            await wall(world, report)
        if not short:
            report.timing = await timing_of(world)
        return report, await find_planted(world, _walk_first, _only_first)


async def _walk_gateway(world: World, report: Report, *, short: bool) -> None:
    schema = world.gateway.served.now.graph.schema
    report.fields = coordinates(schema)

    async def ask(side: Side, query: str, variables: object) -> bytes:
        return await world.ask(world.principal(side), query, variables)

    async def listen(side: Side, query: str, variables: object) -> bytes:
        return await world.listen(world.principal(side), query, variables)

    walk = Walk("gateway", schema, ask, targets_of(world), report, short=short)
    await walk.queries()
    await walk.twins()
    if not short:
        await walk.commands()
    await walk.subscriptions(listen)


async def _walk_modules(world: World, report: Report, *, short: bool) -> None:
    for slug in world.modules:
        walk = _walk_of(world, slug, report, short=short)
        await walk.keys()
        if not short:
            await walk.queries()


def _walk_of(world: World, slug: str, report: Report, *, short: bool) -> Walk:
    async def ask(side: Side, query: str, variables: object) -> bytes:
        return await world.ask_module(slug, world.principal(side), query, variables)

    schema = world.modules[slug].endpoint.documents.schema
    return Walk(slug, schema, ask, targets_of(world), report, short=short)


def _only_first(world: World) -> World:
    """Return the world with the module that has most commands: enough to see whether a missing wall is noticed."""
    narrowed = copy.copy(world)
    slug = max(world.modules, key=lambda slug: len(world.modules[slug].module.commands))
    narrowed.modules = {slug: world.modules[slug]}
    return narrowed


async def _walk_first(world: World, report: Report) -> None:
    walk = _walk_of(world, next(iter(world.modules)), report, short=True)
    await walk.twins()
    await walk.keys()


def _print(report: Report, found: dict[str, bool], *, seconds: float, short: bool, as_json: bool) -> None:
    summary = {
        "probes": report.probes,
        "fields": len(report.fields),
        "covered": len(report.fields & report.covered),
        "commands": len(report.commands),
        "accepted": len(report.accepted),
        "leaks": len(report.leaks),
        "defects": len(report.defects),
        **({} if report.timing is None else {"timing": round(report.timing, 3)}),
        "planted": len(found),
        "found": sum(found.values()),
        "seconds": round(seconds, 1),
    }
    missed = [f"not noticed: {name}" for name, noticed in found.items() if not noticed]
    uncovered = [f"never had a value for its owner: {one}" for one in report.uncovered]
    for line in (*report.leaks, *report.defects, *([] if short else uncovered), *missed):
        print(line, file=sys.stderr)
    print(json.dumps(summary) if as_json else "\n".join(f"{name:9} {value}" for name, value in summary.items()))
