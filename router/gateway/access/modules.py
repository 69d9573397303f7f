"""Which modules may be sent to: the router's view of the states that the supervisor pushes (contracts.md)."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Protocol

import anyio
import msgspec
import structlog
from anyio.abc import ByteStream
from anyio.streams.buffered import BufferedByteReceiveStream

from router.errors import ModuleUnavailable
from shared.wire.control import ModuleState, States, Wake, Watch

_RECONNECT_S = 0.2
_LINE_BYTES = 1 << 20
_LOST = (
    OSError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.DelimiterNotFound,
    anyio.EndOfStream,
    anyio.IncompleteRead,
    msgspec.MsgspecError,
)

log = structlog.get_logger()


class Modules(Protocol):
    """Says whether a module can be sent to."""

    @property
    def is_known(self) -> bool:
        """Whether the states are known yet."""
        ...

    async def ready(self, module: str, until: float) -> None:
        """Return when `module` may be sent to. Raises ModuleUnavailable, or TimeoutError at the loop's time `until`."""
        ...

    def started_at(self, module: str) -> float:
        """Return when `module` last became ready, in the loop's time; -inf where that is not known."""
        ...


class AlwaysReady:
    """Every module counts as ready: what holds without a supervisor."""

    is_known = True

    async def ready(self, module: str, until: float) -> None:
        """Return at once."""

    def started_at(self, module: str) -> float:
        """Return -inf: nobody says."""
        return float("-inf")


class SupervisedModules:
    """Follows the supervisor's states over its control socket; wakes what sleeps, waits for what starts.

    While the supervisor is away the last states hold: modules outlive it.
    """

    def __init__(self, socket_path: str) -> None:
        """Follow the supervisor at `socket_path`; nothing happens before `follow` runs."""
        self._socket_path = socket_path
        self._states = States({})
        self._is_known = False
        self._changed = anyio.Event()
        self._send: Callable[[bytes], Awaitable[None]] | None = None
        self._asked: set[str] = set()
        self._started_at: dict[str, float] = {}

    @property
    def is_known(self) -> bool:
        """Whether the supervisor has told the states at least once."""
        return self._is_known

    async def ready(self, module: str, until: float) -> None:
        """Return when `module` may be sent to, waking it if it sleeps.

        Raises ModuleUnavailable at once where no start is under way, TimeoutError at the loop's time `until`.
        """
        if self._state(module) is not ModuleState.READY:
            async with asyncio.timeout_at(until):
                await self._until_ready(module)

    async def _until_ready(self, module: str) -> None:
        while (state := self._state(module)) is not ModuleState.READY:
            changed = self._changed
            if state is ModuleState.ASLEEP:
                await self._wake(module)
            elif state not in (ModuleState.STARTING, None):
                raise ModuleUnavailable(module, retry_after_ms=self._states.retry_after_ms.get(module))
            await changed.wait()

    def started_at(self, module: str) -> float:
        """Return when `module` last became ready, in the loop's time; -inf where that is not known."""
        return self._started_at.get(module, float("-inf"))

    async def follow(self) -> None:
        """Watch the supervisor until cancelled; connect anew whenever the connection is lost."""
        while True:
            try:
                async with await anyio.connect_unix(self._socket_path) as stream:
                    await self._read(stream)
            except (
                OSError,
                anyio.BrokenResourceError,
                anyio.EndOfStream,
                anyio.IncompleteRead,
                msgspec.MsgspecError,
            ) as error:
                log.warning("supervisor_lost", error=repr(error))
            finally:
                self._send = None
            await anyio.sleep(_RECONNECT_S)

    def _state(self, module: str) -> ModuleState | None:
        """Return the module's state, None before the first report; one that the supervisor doesn't name is stopped."""
        return self._states.states.get(module, ModuleState.STOPPED if self._is_known else None)

    async def _read(self, stream: ByteStream) -> None:
        await stream.send(msgspec.json.encode(Watch()) + b"\n")
        self._send = stream.send
        self._asked.clear()
        async with aclosing(BufferedByteReceiveStream(stream)) as lines:
            while True:
                line = await lines.receive_until(b"\n", _LINE_BYTES)
                self._update(msgspec.json.decode(line, type=States))

    def _update(self, states: States) -> None:
        for module, state in states.states.items():
            if state is ModuleState.READY and self._states.states.get(module) is not ModuleState.READY:
                self._started_at[module] = anyio.current_time()
        self._states = states
        self._is_known = True
        self._asked = {module for module in self._asked if states.states.get(module) is ModuleState.ASLEEP}
        self._changed.set()
        self._changed = anyio.Event()

    async def _wake(self, module: str) -> None:
        if self._send is None or module in self._asked:
            return
        self._asked.add(module)
        try:
            await self._send(msgspec.json.encode(Wake(module)) + b"\n")
        except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            self._asked.discard(module)  # the next connection's first states line asks again
