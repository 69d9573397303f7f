"""Which modules are awake: those with a request, events, commands or scheduled work; an idle one is put to sleep.

Requests wake a module by themselves (module_process.py). Here JetStream is asked, for all modules at once, who has a
backlog: every half second whether anything came in, and only then by whom it is awaited.
"""

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import TypeVar

import anyio
import msgspec
from anyio.abc import TaskGroup
from nats.aio.client import Client
from nats.errors import Error as NatsError

from mewayz.runtime.module_process import ModuleProcess
from mewayz.runtime.records import Records
from mewayz.servers.streams import connect
from shared.clock import Clock
from shared.wire.control import ModuleState

_LOOK_S = 0.5
_SURE_S = 5.0  # so often everything is read, also when nothing seems to have come
_PAUSE_S = 0.5
_TIMEOUT_S = 5.0
_SOON = timedelta(seconds=60)
_STREAMS = ("EVENTS", "TENANTS", "COMMANDS")


class _State(msgspec.Struct):
    last_seq: int


class _Stream(msgspec.Struct):
    state: _State


class _Consumer(msgspec.Struct):
    name: str
    num_pending: int = 0
    num_ack_pending: int = 0


class _Page(msgspec.Struct):
    total: int
    consumers: list[_Consumer]


_Answer = TypeVar("_Answer", _Stream, _Page)


class Activation:
    """Wakes modules and puts them to sleep."""

    def __init__(
        self,
        modules: Collection[ModuleProcess],
        records: Records,
        *,
        clock: Clock,
        idle_s: float,
        admin_url: Callable[[], str],
    ) -> None:
        """Take all modules; with `idle_s` 0 none is put to sleep. `admin_url` gives NATS's address of the moment."""
        self._modules = modules
        self._records = records
        self._clock = clock
        self._idle_s = idle_s
        self._admin_url = admin_url
        self._seen: list[int] = []
        self._read_at = 0.0
        self._waiting: dict[str, set[str]] = {stream: set() for stream in _STREAMS}

    async def run(self) -> None:
        """Look until cancelled; while NATS is away nobody is put to sleep, and scheduled work wakes all the same."""
        async with anyio.create_task_group() as tasks:
            while True:
                try:
                    client = await connect(self._admin_url())
                    try:
                        while True:
                            await self._look(client, tasks)
                            await anyio.sleep(_LOOK_S)
                    finally:
                        with anyio.CancelScope(shield=True):
                            await client.close()
                except (OSError, NatsError, msgspec.MsgspecError):
                    self._wake_due()
                    await anyio.sleep(_PAUSE_S)

    async def _look(self, client: Client, tasks: TaskGroup) -> None:
        idle = [module for module in self._modules if self._is_idle(module)]
        seen = [(await _ask(client, f"STREAM.INFO.{stream}", {}, _Stream)).state.last_seq for stream in _STREAMS]
        now = anyio.current_time()
        if seen != self._seen or idle or now - self._read_at > _SURE_S:
            for stream in _STREAMS:
                self._waiting[stream] = await _with_backlog(client, stream)
            self._seen, self._read_at = seen, now
        self._wake_due()
        for module in idle:
            if not self._is_awaited(module.slug) and module.state is ModuleState.READY:
                tasks.start_soon(module.doze)

    def _wake_due(self) -> None:
        for module in self._modules:
            if module.state is ModuleState.ASLEEP and module.life is None and self._has_work(module.slug):
                module.wake()

    def _has_work(self, slug: str) -> bool:
        """Tell whether a sleeping module has something to do: a backlog, scheduled work, or an unknown past."""
        rest = self._records.rest(slug)
        if rest is None or self._is_awaited(slug):
            return True
        if rest.due_at is None:
            return False
        # A new tenant is news to scheduled work alone: other modules read of it whenever they wake.
        return slug in self._waiting["TENANTS"] or rest.is_due(self._clock.now())

    def _is_awaited(self, slug: str) -> bool:
        return slug in self._waiting["EVENTS"] or slug in self._waiting["COMMANDS"]

    def _is_idle(self, module: ModuleProcess) -> bool:
        life = module.life
        if life is None or module.state is not ModuleState.READY or not 0 < self._idle_s <= life.idle_s:
            return False
        return life.due_at is None or life.due_at > self._clock.now() + _SOON


async def _with_backlog(client: Client, stream: str) -> set[str]:
    """Return the modules whose consumer on `stream` has messages that were not acknowledged."""
    found: set[str] = set()
    offset, total = 0, 1
    while offset < total:
        page = await _ask(client, f"CONSUMER.LIST.{stream}", {"offset": offset}, _Page)
        found.update(one.name for one in page.consumers if one.num_pending or one.num_ack_pending)
        offset, total = offset + max(1, len(page.consumers)), page.total
    return found


async def _ask(client: Client, call: str, body: dict[str, int], answer: type[_Answer]) -> _Answer:
    reply = await client.request(f"$JS.API.{call}", msgspec.json.encode(body), timeout=_TIMEOUT_S)
    return msgspec.json.decode(reply.data, type=answer)
