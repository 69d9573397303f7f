"""What a module keeps copies of, told to it of rows older than the stream (shared/events/state.py, ADR 0026).

A portion takes some two seconds, and says where the next one goes on: so whoever asked sees how far it is, and a job that
dies leaves nothing but rows to be told again.
"""

import asyncio
import importlib.util
import itertools
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from mewayz.passwords import Passwords
from mewayz.runtime.opened import known_tenants, modules_with_database, open_app
from mewayz.runtime.orders import Task
from mewayz.servers.module_database import ModuleDatabase, module_database
from shared.errors import Unavailable
from shared.events.lease import Lease, take_lease
from shared.events.state import Standing, StateMark, keep_state, read_state
from shared.events.subscription import Subscription
from shared.module import load

_PORTION_S = 2.0
_LEASE_S = 10.0
_SHOWN = 20
_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)


class ModuleAtWork(Unavailable):
    """A module's own process applies events: nothing else may do so at the same time."""

    code = "MODULE_AT_WORK"

    def __init__(self, slug: str) -> None:
        """Name the module."""
        super().__init__(f"{slug} is at work: `mewayz stop {slug}` first, then try again.")


class Place(msgspec.Struct, frozen=True, order=True):
    """Behind which row the next portion begins. Owners, models and tenants are told of in this order."""

    owner: str = ""
    model: str = ""
    tenant: UUID = _FIRST
    after: UUID = _FIRST


class Portion(msgspec.Struct, frozen=True):
    """What a portion went through: so many aggregates, the last of them a `model` of `owner`. `at` is None at the end."""

    at: str | None
    count: int
    owner: str
    model: str
    untold: int
    reasons: list[str]  # of the first that could not be told of


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of one tenant, and the place behind them."""

    place: Place
    standings: tuple[Standing, ...]


async def tell_state(task: Task) -> Portion:
    """Tell the module a portion, from the place `at` on. Raises ModuleAtWork where its own process is running."""
    slug = task.operate.module
    assert slug is not None, "a portion is told to one module"
    at, end = task.operate.arguments.get("at"), time.monotonic() + _PORTION_S
    place = msgspec.json.decode(at, type=Place) if at else Place()
    kept, urls, count, reasons, is_end = load(slug).kept, _urls(task, slug), 0, list[str](), True
    async with (
        _lease(urls, slug) as lease,
        open_app(task, slug, urls) as database,
        aclosing(pages(task, kept, place)) as found,
    ):
        async for page in found:
            place, count = page.place, count + len(page.standings)
            untold = await keep_state(database, lease, kept, place.tenant, page.standings)
            reasons += [f"{place.tenant}  {one.key}  {one.reason}" for one in untold]
            if time.monotonic() > end:
                is_end = False
                break
    at = None if is_end else msgspec.json.encode(place).decode()
    return Portion(at, count, place.owner, place.model, len(reasons), reasons[:_SHOWN])


async def pages(task: Task, kept: Mapping[str, Subscription], start: Place) -> AsyncGenerator[Page]:
    """Yield how the rows stand of which the module keeps copies, from a place on."""
    for owner in await modules_with_database(task.admin_url):
        told = _told(owner, kept) if owner >= start.owner else []
        if not told:
            continue
        urls = _urls(task, owner)
        tenants = sorted(await known_tenants(urls))
        async with open_app(task, owner, urls) as database:
            for one, tenant in itertools.product(told, tenants):
                place = Place(owner, one[1].model.__name__, tenant)
                last = msgspec.structs.replace(place, after=_LAST)
                place = max(place, start)
                while place < last:
                    page = await read_state(database, one, tenant, place.after)
                    place = msgspec.structs.replace(place, after=page.next_after or _LAST)
                    yield Page(place, page.standings)


def _told(owner: str, kept: Mapping[str, Subscription]) -> list[tuple[Any, StateMark]]:
    """Return what an owner tells of rows of which copies are kept, by the rows' model; none where its code is gone."""
    if importlib.util.find_spec(f"subgraphs.{owner}") is None:
        return []
    told = [one for one in load(owner).states if kept.keys() & {kind.type for kind in one[1].kinds}]
    return sorted(told, key=lambda one: one[1].model.__name__)


def _urls(task: Task, slug: str) -> ModuleDatabase:
    return module_database(task.admin_url, slug, Passwords(Path(task.secrets)))


@asynccontextmanager
async def _lease(urls: ModuleDatabase, slug: str) -> AsyncGenerator[Lease]:
    try:
        async with asyncio.timeout(_LEASE_S):
            lease = await take_lease(urls.relay_url, slug)
    except TimeoutError:
        raise ModuleAtWork(slug) from None
    try:
        yield lease
    finally:
        await lease.release()
