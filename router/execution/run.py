"""Execute a prepared operation: fetches start when their own inputs are there, the answer is bytes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import orjson
import structlog

from router.errors import BadAnswer, DeadlineExceeded, RouterError
from router.execution.compile import CompiledFetch, CompiledPlan
from router.execution.entities import Json, Tainted, merge
from router.execution.errors import Error, failure, subgraph_errors, taint
from router.execution.prepared import Prepared
from router.execution.project import Projection
from router.execution.project_quick import SURPRISES

Send: TypeAlias = Callable[[str, bytes, float], Awaitable[bytes]]
"""(subgraph name, JSON request body, seconds left) -> response body.

Raises a subclass of router.errors.Unavailable where the subgraph cannot be asked; any other RouterError becomes an
error at the fetch's place too. Cancelled when the request is.
"""

CHUNK = 1000  # representations a request carries at most

log = structlog.get_logger()


class Answer:
    """What goes back to the client. `fetches` counts the requests that were sent to subgraphs."""

    __slots__ = ("data", "errors", "fetches")

    def __init__(self, data: dict[str, Any] | None, errors: list[Error], fetches: int) -> None:
        """Take the data in the client's shape, and the errors with their paths."""
        self.data = data
        self.errors = errors
        self.fetches = fetches

    def body(self) -> bytes:
        """Return the response as JSON: `data`, and `errors` if there are any."""
        if self.errors:
            return orjson.dumps({"data": self.data, "errors": self.errors})
        return orjson.dumps({"data": self.data})


async def execute(prepared: Prepared, variables: Mapping[str, object] | None, send: Send, deadline_s: float) -> Answer:
    """Answer an operation within `deadline_s` seconds; what is missing by then is null with an error.

    Raises BadVariables; everything else that goes wrong is an error in the answer.
    """
    given = prepared.coerced(variables or {})
    run = _Run(prepared.compiled, given, send, asyncio.get_running_loop().time() + deadline_s)
    await run.fetch()
    data = _projected(prepared.compiled, run)
    if data is not None and prepared.compiled.plan.introspection is not None:
        data |= prepared.introspected(given)
    return Answer(data, run.errors, run.sent)


def _projected(compiled: CompiledPlan, run: "_Run") -> dict[str, Json] | None:
    try:
        return compiled.project(run.data)
    except SURPRISES:
        return Projection(run.errors).root(compiled.plan.shape, run.data)


class _Ready:
    """A fetch, or a chunk of one, whose representations are written."""

    __slots__ = ("compiled", "offset", "parts", "targets")

    def __init__(
        self, compiled: CompiledFetch, parts: list[Json], targets: list[list[dict[str, Json]]], offset: int
    ) -> None:
        self.compiled = compiled
        self.parts = parts
        self.targets = targets
        self.offset = offset


class _Run:
    """One execution: the data so far, the errors so far, what is still to come. Only `fetch` changes them."""

    def __init__(self, plan: CompiledPlan, variables: Mapping[str, object], send: Send, until: float) -> None:
        self.data: dict[str, Json] = {}
        self.errors: list[Error] = []
        self.sent = 0
        self._plan = plan
        self._variables = variables
        self._send = send
        self._until = until
        self._loop = asyncio.get_running_loop()
        self._tainted: Tainted = set()
        self._waits = [len(one.fetch.needs) for one in plan.fetches]
        self._open = [1] * len(plan.fetches)  # requests of a fetch that are not answered yet
        self._arrived: list[tuple[list[_Ready], bytes | RouterError]] = []
        self._news = asyncio.Event()

    async def fetch(self) -> None:
        """Run the fetches; those that become ready together share a request if they ask the same subgraph."""
        requests = self._requests([one for one in self._plan.fetches if not one.fetch.needs])
        if len(requests) == 1 and not self._plan.fetches[-1].fetch.needs:
            await self._ask(requests[0])
            self._settle()
            return
        async with asyncio.TaskGroup() as tasks:
            while requests or self._waiting:
                for batch in requests:
                    self._waiting += 1
                    tasks.create_task(self._ask(batch))
                await self._news.wait()
                self._news.clear()
                requests = self._requests(self._settle())

    _waiting = 0

    def _requests(self, fetches: list[CompiledFetch]) -> list[list[_Ready]]:
        """Write the representations of fetches; those with nothing to ask are done at once, and free others."""
        batches: dict[object, list[_Ready]] = {}
        todo = list(fetches)
        for compiled in todo:
            fetch = compiled.fetch
            if not fetch.is_entity and not fetch.steps:
                batches.setdefault((fetch.subgraph, fetch.id), []).append(_Ready(compiled, [], [[self.data]], 0))
                continue
            parts, targets = compiled.gather(self.data, self._tainted)
            if not parts:
                todo += self._done(compiled)
                continue
            if not fetch.is_entity:
                everyone = [[one for group in targets for one in group]]
                batches.setdefault((fetch.subgraph, fetch.id), []).append(_Ready(compiled, [], everyone, 0))
                continue
            self._open[fetch.id] = -(-len(parts) // CHUNK)
            for start in range(0, len(parts), CHUNK):
                piece = _Ready(compiled, parts[start : start + CHUNK], targets, start)
                batches.setdefault((fetch.subgraph, start), []).append(piece)
        return list(batches.values())

    def _done(self, compiled: CompiledFetch) -> list[CompiledFetch]:
        """Count a fetch as done and return those that only waited for it."""
        ready: list[CompiledFetch] = []
        for number in compiled.dependents:
            self._waits[number] -= 1
            if not self._waits[number]:
                ready.append(self._plan.fetches[number])
        return ready

    async def _ask(self, batch: list[_Ready]) -> None:
        subgraph = batch[0].compiled.fetch.subgraph
        answer: bytes | RouterError
        try:
            body = self._plan.body([one.compiled.fetch for one in batch], [one.parts for one in batch], self._variables)
            left = self._until - self._loop.time()
            if left <= 0:
                raise DeadlineExceeded(subgraph)
            self.sent += 1
            async with asyncio.timeout(left):
                if batch[0].compiled.fetch.operation == "mutation":
                    answer = await _unstoppable(self._send(subgraph, body, left))
                else:
                    answer = await self._send(subgraph, body, left)
        except RouterError as error:
            answer = error
        except TimeoutError:
            answer = DeadlineExceeded(subgraph)
        except Exception as error:
            log.exception("fetch_broke", module=subgraph, error=repr(error))
            answer = BadAnswer(subgraph, "nothing that can be used")
        self._arrived.append((batch, answer))
        self._news.set()

    def _settle(self) -> list[CompiledFetch]:
        """Put all answers that have come into the data; return the fetches that are ready now."""
        ready: list[CompiledFetch] = []
        arrived, self._arrived = self._arrived, []
        for batch, answer in arrived:
            self._waiting -= 1
            self._take(batch, answer)
            for one in batch:
                number = one.compiled.fetch.id
                self._open[number] -= 1
                if not self._open[number]:
                    ready += self._done(one.compiled)
        return ready

    def _take(self, batch: Sequence[_Ready], answer: bytes | RouterError) -> None:
        subgraph = batch[0].compiled.fetch.subgraph
        data: Json = None
        given: list[Json] = []
        if not isinstance(answer, RouterError):
            try:
                decoded = orjson.loads(answer)
                data, given = decoded.get("data"), decoded.get("errors") or []
            except (ValueError, AttributeError):
                answer = BadAnswer(subgraph, "what is no GraphQL response")
        if isinstance(answer, RouterError):
            for one in batch:
                self._fail(one, answer)
            return
        if not isinstance(data, dict):
            data = {}
            if not given:
                for one in batch:
                    self._fail(one, BadAnswer(subgraph, "neither data nor errors"))
                return
        for number, one in enumerate(batch):
            self._place(one, data, given, f"_e{number}" if len(batch) > 1 else "_entities")  # pyright: ignore[reportUnknownArgumentType]

    def _place(self, one: _Ready, data: dict[str, Json], given: list[Json], alias: str) -> None:
        fetch = one.compiled.fetch
        mine = given
        if fetch.is_entity:
            if alias != "_entities":
                mine = [error for error in given if _is_of(error, alias)]
            entities = data.get(alias)
            if not isinstance(entities, list) or len(entities) != len(one.parts):  # pyright: ignore[reportUnknownArgumentType]
                if not mine or entities is not None:
                    return self._fail(one, BadAnswer(fetch.subgraph, "a list of another length than was asked for"))
                self._taint_all(one)
            else:
                self._attach(one, entities)  # pyright: ignore[reportUnknownArgumentType]
        elif fetch.slot is None:
            merge(self.data, data)
        else:
            for target in one.targets[0]:
                target[fetch.slot] = data
        if mine:
            self._report(one, data, mine)
        return None

    def _attach(self, one: _Ready, entities: list[Json]) -> None:
        slot, targets, offset = one.compiled.fetch.slot, one.targets, one.offset
        for number, entity in enumerate(entities):
            if type(entity) is not dict:
                continue
            for target in targets[number + offset]:
                if slot is None:
                    merge(target, entity)  # pyright: ignore[reportUnknownArgumentType]
                else:
                    target[slot] = entity

    def _report(self, one: _Ready, data: dict[str, Json], given: list[Json]) -> None:
        fetch = one.compiled.fetch
        self.errors += subgraph_errors(fetch, given, self._plan.places, self.data, one.targets, one.offset)
        for error in given:
            path = _path(error)
            if path is None:
                continue
            taint(path, data, self._tainted)
            if len(path) == 2 and fetch.is_entity and isinstance(path[1], int) and path[1] < len(one.parts):
                for target in one.targets[path[1] + one.offset]:
                    self._tainted.add((id(target), fetch.slot or ""))

    def _fail(self, one: _Ready, error: RouterError) -> None:
        if one.offset == 0 or not isinstance(error, DeadlineExceeded):
            self.errors += failure(one.compiled.fetch, error, self._plan.places, self.data)
        self._taint_all(one)

    def _taint_all(self, one: _Ready) -> None:
        fetch = one.compiled.fetch
        for number in range(len(one.parts)):
            for target in one.targets[number + one.offset]:
                for key in (fetch.slot,) if fetch.slot is not None else fetch.names:
                    self._tainted.add((id(target), key))


_mutations: set[asyncio.Future[bytes]] = set()


async def _unstoppable(sending: Awaitable[bytes]) -> bytes:
    """Wait for a request that goes on when the waiting ends: what a mutation began, its module finishes.

    It ends by itself: whoever sends is told how many seconds are left.
    """
    task = asyncio.ensure_future(sending)
    _mutations.add(task)
    task.add_done_callback(_forget)
    return await asyncio.shield(task)


def _forget(task: asyncio.Future[bytes]) -> None:
    _mutations.discard(task)
    if not task.cancelled():
        task.exception()  # seen: nobody may be waiting any more


def _path(error: Json) -> list[Any] | None:
    path = cast("dict[str, Any]", error).get("path") if isinstance(error, dict) else None
    return cast("list[Any]", path) if isinstance(path, list) else None


def _is_of(error: Json, alias: str) -> bool:
    path = _path(error)
    return not path or path[0] == alias
