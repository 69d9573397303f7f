"""Execute a prepared operation: fetches start when their own inputs are there, the answer is bytes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import orjson
import structlog

from router.errors import BadAnswer, DeadlineExceeded, RouterError
from router.execution.asked import Asked, in_requests
from router.execution.compile import CompiledFetch, CompiledPlan
from router.execution.entities import Json, Tainted, copied, merge
from router.execution.errors import Error, Failures, failure, is_same, subgraph_errors, taint
from router.execution.prepared import Prepared
from router.execution.project import Projection
from router.execution.project_quick import SURPRISES
from router.planning.plan import Fetch

Send: TypeAlias = Callable[[str, bytes, float], Awaitable[bytes]]
"""(subgraph name, JSON request body, seconds left) -> response body.

Raises a subclass of router.errors.Unavailable where the subgraph cannot be asked; any other RouterError becomes an
error at the fetch's place too. Cancelled when the request is.
"""

log = structlog.get_logger()


class Answer:
    """What goes back to the client. `fetches` counts the requests that were sent to subgraphs."""

    __slots__ = ("data", "errors", "extensions", "fetches")

    def __init__(self, data: dict[str, Any] | None, errors: list[Error], fetches: int) -> None:
        """Take the data in the client's shape, and the errors with their paths."""
        self.data = data
        self.errors = errors
        self.fetches = fetches
        self.extensions: dict[str, Any] | None = None

    def body(self) -> bytes:
        """Return the response as JSON: `data`, and `errors` and `extensions` if there are any."""
        if self.extensions:
            errors = {"errors": self.errors} if self.errors else {}
            return orjson.dumps({"data": self.data, **errors, "extensions": self.extensions})
        if self.errors:
            return orjson.dumps({"data": self.data, "errors": self.errors})
        return orjson.dumps({"data": self.data})


async def execute(prepared: Prepared, variables: Mapping[str, object] | None, send: Send, deadline_s: float) -> Answer:
    """Answer an operation within `deadline_s` seconds; what is missing by then is null with an error.

    Raises BadVariables; everything else that goes wrong is an error in the answer.
    """
    return await _answered(prepared, variables, send, deadline_s, None)


def subscription_request(prepared: Prepared, variables: Mapping[str, object] | None) -> tuple[str, bytes]:
    """Return which subgraph a subscription is opened at, and the request body that opens it. Raises BadVariables."""
    first = prepared.compiled.plan.fetches[0]
    return first.subgraph, prepared.compiled.body_of(first, prepared.coerced(variables or {}))


async def react(
    prepared: Prepared, variables: Mapping[str, object] | None, event: bytes, send: Send, *, deadline_s: float
) -> Answer:
    """Answer one event of a subscription: `event` is the JSON that its subgraph sent, the rest is fetched."""
    return await _answered(prepared, variables, send, deadline_s, event)


async def _answered(
    prepared: Prepared, variables: Mapping[str, object] | None, send: Send, deadline_s: float, event: bytes | None
) -> Answer:
    given = prepared.coerced(variables or {})
    run = Run(prepared.compiled, given, send, asyncio.get_running_loop().time() + deadline_s)
    await run.fetch(event)
    data = _projected(prepared.compiled, run)
    if data is not None and prepared.compiled.plan.introspection is not None:
        data |= prepared.introspected(given)
    return Answer(data, run.errors, run.sent)


def _projected(compiled: CompiledPlan, run: "Run") -> dict[str, Json] | None:
    try:
        return compiled.project(run.data)
    except SURPRISES:
        return Projection(run.errors).root(compiled.plan.shape, run.data)


class Run:
    """One execution: the data so far, the errors so far, what is still to come. Only `fetch` changes them."""

    def __init__(self, plan: CompiledPlan, variables: Mapping[str, object], send: Send, until: float) -> None:
        self.data: dict[str, Json] = {}
        self.errors: list[Error] = []
        self.blamed: dict[int, int] = {}  # id of an error -> id of the fetch that it came from
        self.sent = 0
        self.finished: set[int] = set()  # fetches that are done
        self.progress = asyncio.Event()
        self.on_done: Callable[[int], None] | None = None  # called with the id of a fetch before others read its data
        self._plan = plan
        self._variables = variables
        self._send = send
        self._until = until
        self._loop = asyncio.get_running_loop()
        self._tainted: Tainted = set()
        self._failures = Failures()
        self._waits = [len(one.fetch.needs) for one in plan.fetches]
        self._open = [1] * len(plan.fetches)  # requests of a fetch that are not answered yet
        self._arrived: list[tuple[list[Asked], bytes | RouterError]] = []
        self._news = asyncio.Event()
        self._waiting = 0  # requests that run as tasks of their own

    async def fetch(self, event: bytes | None = None) -> None:
        """Run the fetches; those that become ready together share a request if they ask the same subgraph.

        `event` is the answer of the first fetch where it is there already.
        """
        if event is None:
            requests = self._requests([one for one in self._plan.fetches if not one.fetch.needs])
        else:
            first = Asked([])
            first.members.append((self._plan.fetches[0], {0: [self.data]}))
            self._arrived.append(([first], event))
            requests = self._requests(self._settle())
        await self._finish(requests)

    async def again(self, fetches: frozenset[int]) -> None:
        """Run some fetches once more, on data that has changed; those they need are among them or done."""
        self.finished -= fetches
        self._failures.forget(fetches)
        for number in fetches:
            self._waits[number] = sum(1 for need in self._plan.fetches[number].fetch.needs if need in fetches)
            self._open[number] = 1
        await self._finish(self._requests([self._plan.fetches[one] for one in fetches if not self._waits[one]]))

    async def _finish(self, requests: list[list[Asked]]) -> None:
        """Send requests, and all that become possible by their answers."""
        async with asyncio.TaskGroup() as tasks:
            while requests or self._waiting:
                if len(requests) == 1 and not self._waiting:
                    await self._ask(requests[0])
                else:
                    for batch in requests:
                        tasks.create_task(self._ask(batch))
                    self._waiting += len(requests)
                    await self._news.wait()
                self._news.clear()
                requests = self._requests(self._settle())

    def _requests(self, fetches: list[CompiledFetch]) -> list[list[Asked]]:
        """Write the representations of fetches; those with nothing to ask are done at once, and free others."""
        requests: list[list[Asked]] = []
        together: dict[tuple[str, str], Asked] = {}
        todo = list(fetches)
        for compiled in todo:
            fetch = compiled.fetch
            if fetch.is_entity:
                asked = together.setdefault((fetch.subgraph, fetch.selection), Asked([]))
                targets = compiled.gather(self.data, self._tainted, asked.seen, asked.representations)
            else:
                asked = Asked([])
                targets = compiled.gather(self.data, self._tainted, {}, []) if fetch.steps else {0: [self.data]}
                requests += [[asked]] if targets else []
            if targets:
                asked.members.append((compiled, targets))
            else:
                self._failures.skip(fetch, self._plan.places, self.data)
                todo += self._done(compiled)
        for asked in together.values():
            for compiled, _ in asked.members:
                self._open[compiled.fetch.id] = len(asked.pieces)
        return [*requests, *in_requests(together.values())]

    def _done(self, compiled: CompiledFetch) -> list[CompiledFetch]:
        """Count a fetch as done and return those that only waited for it."""
        self.finished.add(compiled.fetch.id)
        self.progress.set()
        ready: list[CompiledFetch] = []
        for number in compiled.dependents:
            self._waits[number] -= 1
            if not self._waits[number]:
                ready.append(self._plan.fetches[number])
        return ready

    async def _ask(self, batch: list[Asked]) -> None:
        fetches = [one.fetch for one in batch]
        subgraph = fetches[0].subgraph
        answer: bytes | RouterError
        try:
            body = self._plan.body(batch, self._variables)
            left = self._until - self._loop.time()
            if left <= 0:
                raise DeadlineExceeded(subgraph)
            self.sent += 1
            async with asyncio.timeout(left):
                sending = self._send(subgraph, body, left)
                answer = await (_unstoppable(sending) if fetches[0].operation == "mutation" else sending)
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
            self._waiting = max(self._waiting - 1, 0)
            self._take(batch, answer)
            for compiled, _ in (member for one in batch for member in one.members):
                number = compiled.fetch.id
                self._open[number] -= 1
                if not self._open[number]:
                    if self.on_done is not None:
                        self.on_done(number)
                    ready += self._done(compiled)
        return ready

    def _take(self, batch: Sequence[Asked], answer: bytes | RouterError) -> None:
        data: dict[str, Json] = {}
        given: list[Json] = []
        if not isinstance(answer, RouterError):
            try:
                data, given = _decoded(batch[0].fetch.subgraph, answer)
            except BadAnswer as error:
                answer = error
        if isinstance(answer, RouterError):
            for one in batch:
                self._fail(one, answer)
            return
        for number, one in enumerate(batch):
            if one.fetch.is_entity:
                self._place_entities(one, data, given, f"_e{number}" if len(batch) > 1 else "_entities")
            else:
                self._place_root(one, data, given)

    def _place_root(self, one: Asked, data: dict[str, Json], given: list[Json]) -> None:
        for compiled, targets in one.members:
            if compiled.fetch.slot is None:
                merge(self.data, data)
                continue
            for target in targets[0]:
                target[compiled.fetch.slot] = data
        self._report(one, data, given)

    def _place_entities(self, one: Asked, data: dict[str, Json], given: list[Json], alias: str) -> None:
        mine = [error for error in given if _is_of(error, alias)] if alias != "_entities" else given
        entities = data.get(alias)
        if isinstance(entities, list) and len(cast("list[Json]", entities)) == len(one.representations):
            self._attach(one, cast("list[Json]", entities))
        elif mine and entities is None:
            self._taint_all(one)
        else:
            self._fail(one, BadAnswer(one.fetch.subgraph, "a list of another length than was asked for"))
            return
        self._report(one, data, mine)

    def _attach(self, one: Asked, entities: list[Json]) -> None:
        offset, count = one.offset, len(entities)
        for compiled, targets in one.members:
            slot = compiled.fetch.slot
            for number, items in targets.items():
                if not 0 <= number - offset < count:
                    continue
                entity = entities[number - offset]
                if type(entity) is not dict:
                    continue
                for place, target in enumerate(items):
                    own = copied(entity) if place and compiled.fetch.is_copied else cast("dict[str, Json]", entity)
                    if slot is None:
                        merge(target, own)
                    else:
                        target[slot] = own

    def _report(self, one: Asked, data: dict[str, Json], given: list[Json]) -> None:
        if not given:
            return
        for compiled, targets in one.members:
            fetch = compiled.fetch
            for error in subgraph_errors(fetch, given, self._plan.places, self.data, targets, one.offset):
                self._blame(fetch, error)
            for path in filter(None, map(_path, given)):
                taint(path, data, self._tainted)
                if len(path) == 2 and fetch.is_entity and isinstance(path[1], int):
                    for target in targets.get(path[1] + one.offset, ()):
                        self._tainted.add((id(target), fetch.slot or ""))

    def _fail(self, one: Asked, error: RouterError) -> None:
        for compiled, _ in one.members:
            for shown in failure(compiled.fetch, error, self._plan.places, self.data):
                known = next((one for one in self.errors if is_same(one, shown)), None)
                if known is None:
                    self._blame(compiled.fetch, shown)
                self._failures.note(compiled.fetch, known or shown)
        self._taint_all(one)

    def _blame(self, fetch: Fetch, error: Error) -> None:
        self.errors.append(error)
        self.blamed[id(error)] = fetch.id

    def _taint_all(self, one: Asked) -> None:
        for compiled, targets in one.members:
            fetch = compiled.fetch
            keys = (fetch.slot,) if fetch.slot is not None else tuple(fetch.names)
            for number, items in targets.items():
                if 0 <= number - one.offset < len(one.representations):
                    self._tainted.update((id(target), key) for target in items for key in keys)


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


def _decoded(subgraph: str, answer: bytes) -> tuple[dict[str, Json], list[Json]]:
    """Return data and errors of a subgraph's answer. Raises BadAnswer for what is no GraphQL response."""
    try:
        decoded: Any = orjson.loads(answer)
        data: Json = decoded.get("data")
        given: Json = decoded.get("errors") or []
    except (ValueError, AttributeError) as error:
        raise BadAnswer(subgraph, "what is no GraphQL response") from error
    if not isinstance(given, list):
        raise BadAnswer(subgraph, "what is no GraphQL response")
    if not isinstance(data, dict) and not given:
        raise BadAnswer(subgraph, "neither data nor errors")
    return cast("dict[str, Json]", data) if isinstance(data, dict) else {}, cast("list[Json]", given)


def _is_of(error: Json, alias: str) -> bool:
    path = _path(error)
    return not path or path[0] == alias
