"""`mewayz top`: modules, requests and events while they happen, read where they are counted anyway.

States come from the supervisor, memory and CPU from the system, requests from the router's /metrics, events from the
stream and its consumers. Nothing is measured for this view alone.
"""

import re
import time
import urllib.request
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext

import anyio
import msgspec
import psutil
from nats.aio.client import Client
from nats.errors import Error as NatsError
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from mewayz.folders import Folders
from mewayz.runtime.client import ask, command
from mewayz.servers.streams import connect
from shared.wire import control
from shared.wire.jetstream import EVENTS, end_if_cancelled

_SAMPLE = re.compile(
    r'^mewayz_(request|fetch)_seconds_(sum|count)\{(?:module="([^"]*)",)?code="([^"]*)"\} (\S+)$', re.M
)
_PLAIN = ("OK", "PARTIAL")
_COLOURS = {"ready": "green", "asleep": "blue", "parked": "red", "stopped": "dim"}


class Rate(msgspec.Struct, frozen=True, rename="camel"):
    """What went through since the last look: per second, how many of them failed, the mean time in milliseconds."""

    total: int = 0
    per_second: float = 0.0
    failed_per_second: float = 0.0
    mean_ms: float | None = None


class ModuleLoad(msgspec.Struct, frozen=True, rename="camel"):
    """A module: its process, the fetches the router sends it, the events that wait for it."""

    name: str
    state: control.ModuleState
    cpu_percent: float
    memory_mb: float
    fetches: Rate
    events_waiting: int
    restarts: int
    reason: str | None


class Load(msgspec.Struct, frozen=True, rename="camel"):
    """One look at the platform; `events` counts what was published."""

    requests: Rate
    events: Rate
    modules: list[ModuleLoad]


class _Counts(msgspec.Struct, frozen=True):
    """A sum of the router's: number, failures, seconds."""

    number: int = 0
    failed: int = 0
    seconds: float = 0.0


class Watch:
    """Looks again and again; rates are over the time between two looks, so the first one has none."""

    def __init__(self, folders: Folders, broker: Client, metrics_token: str | None = None) -> None:
        """Look at the platform of `folders`, whose broker is `broker`; the router may want to see `metrics_token`."""
        self._metrics_token = metrics_token
        self._folders = folders
        self._broker = broker
        self._processes: dict[int, psutil.Process] = {}
        self._before: tuple[float, dict[str | None, _Counts], int] | None = None

    async def look(self) -> Load:
        """Return what is seen now. Raises NotRunning once the platform has stopped."""
        status = await anyio.to_thread.run_sync(lambda: ask(self._folders, control.GetStatus(), control.Status))
        counts = await anyio.to_thread.run_sync(lambda: _counted(status.api, self._metrics_token))
        published, waiting = await self._events()
        now = time.monotonic()
        then, before, published_before = self._before or (now, counts, published)
        self._before = now, counts, published

        def rate(name: str | None) -> Rate:
            return _rate(counts.get(name, _Counts()), before.get(name, _Counts()), now - then)

        events = _rate(_Counts(published), _Counts(published_before), now - then)
        modules = [self._module(one, rate(one.name), waiting.get(one.name, 0)) for one in status.modules]
        return Load(requests=rate(None), events=events, modules=modules)

    def _module(self, one: control.ModuleStatus, fetches: Rate, waiting: int) -> ModuleLoad:
        cpu_percent, memory_mb = self._process(one.pid)
        return ModuleLoad(
            name=one.name,
            state=one.state,
            cpu_percent=cpu_percent,
            memory_mb=memory_mb,
            fetches=fetches,
            events_waiting=waiting,
            restarts=one.restarts,
            reason=one.reason,
        )

    def _process(self, pid: int | None) -> tuple[float, float]:
        """Return CPU since the last look, in percent of one core, and resident memory in MB."""
        if pid is None:
            return 0.0, 0.0
        try:
            process = self._processes.setdefault(pid, psutil.Process(pid))
            return process.cpu_percent(), round(process.memory_info().rss / 1e6, 1)
        except psutil.NoSuchProcess:
            self._processes.pop(pid, None)
            return 0.0, 0.0

    async def _events(self) -> tuple[int, dict[str, int]]:
        """Return how many events were ever published, and how many wait for each module; nought while NATS is away."""
        try:
            stream = self._broker.jetstream()
            state = (await stream.stream_info(EVENTS)).state
            consumers = await stream.consumers_info(EVENTS)
        except (NatsError, TimeoutError):
            return (self._before[2] if self._before else 0), {}
        return state.last_seq, {one.name: (one.num_pending or 0) + (one.num_ack_pending or 0) for one in consumers}


async def show(
    folders: Folders, *, interval_s: float, once: bool, as_json: bool, metrics_token: str | None = None
) -> None:
    """Print looks every `interval_s` seconds, one only with `once`: JSON lines, or a table that renews itself.

    Raises NotRunning.
    """
    console = Console()
    async with _broker(folders) as broker:
        watch = Watch(folders, broker, metrics_token)
        with Live(console=console, screen=True, auto_refresh=False) if not (once or as_json) else nullcontext() as live:
            await watch.look()
            while True:
                end_if_cancelled()
                await anyio.sleep(interval_s)
                load = await watch.look()
                if live is not None:
                    live.update(table(load), refresh=True)
                elif as_json:
                    print(msgspec.json.encode(load).decode(), flush=True)
                else:
                    console.print(table(load))
                if once:
                    return


def table(load: Load) -> Table:
    """Return what is seen as a table for a terminal: one line a module, the router below."""
    shown = Table(caption=_caption(load), caption_justify="left", box=None, pad_edge=False)
    for heading in ("module", "state"):
        shown.add_column(heading)
    for heading in ("cpu %", "MB", "fetches/s", "ms", "failed/s", "events waiting", "restarts"):
        shown.add_column(heading, justify="right")
    shown.add_column("why")
    for one in load.modules:
        shown.add_row(
            one.name,
            f"[{_COLOURS.get(one.state, 'yellow')}]{one.state}[/]",
            f"{one.cpu_percent:.0f}",
            f"{one.memory_mb:.0f}",
            *_cells(one.fetches),
            str(one.events_waiting or ""),
            str(one.restarts or ""),
            escape(one.reason or ""),
        )
    return shown


def _caption(load: Load) -> str:
    requests, events = load.requests, load.events
    took = f", {requests.mean_ms} ms each" if requests.mean_ms is not None else ""
    failed = f", {requests.failed_per_second} failed" if requests.failed_per_second else ""
    return (
        f"\nrequests {requests.per_second}/s{took}{failed}, {requests.total} since the router's start"
        f"\nevents   {events.per_second}/s, {events.total} on the stream ever\nCtrl-C ends this view"
    )


def _cells(rate: Rate) -> tuple[str, str, str]:
    mean = "" if rate.mean_ms is None else f"{rate.mean_ms:.1f}"
    return f"{rate.per_second:.1f}" if rate.per_second else "", mean, str(rate.failed_per_second or "")


@asynccontextmanager
async def _broker(folders: Folders) -> AsyncGenerator[Client]:
    url = command(folders, control.GetBroker()).url
    assert url is not None
    client = await connect(url)
    try:
        yield client
    finally:
        await client.close()


def _counted(api: str, token: str | None) -> dict[str | None, _Counts]:
    """Return the router's sums: by module, and of all requests under None; nought while it does not answer."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(api.removesuffix("/graphql") + "/metrics", headers=headers)  # noqa: S310 our own
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 our own address
            return _parsed(answer.read().decode())
    except OSError:
        return {}


def _parsed(text: str) -> dict[str | None, _Counts]:
    found: dict[str | None, _Counts] = {}
    for kind, what, module, code, value in _SAMPLE.findall(text):
        name = module if kind == "fetch" else None
        sofar = found.get(name, _Counts())
        if what == "sum":
            found[name] = msgspec.structs.replace(sofar, seconds=sofar.seconds + float(value))
        else:
            failed = 0 if code in _PLAIN else int(value)
            found[name] = msgspec.structs.replace(sofar, number=sofar.number + int(value), failed=sofar.failed + failed)
    return found


def _rate(now: _Counts, before: _Counts, seconds: float) -> Rate:
    number, failed = now.number - before.number, now.failed - before.failed
    if number < 0 or not seconds:  # the router was started anew, or this is the first look
        return Rate(total=now.number)
    mean_ms = 1000 * (now.seconds - before.seconds) / number if number and now.seconds else None
    return Rate(
        total=now.number,
        per_second=round(number / seconds, 2),
        failed_per_second=round(failed / seconds, 2),
        mean_ms=None if mean_ms is None else round(mean_ms, 2),
    )
