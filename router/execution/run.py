"""Execute a prepared operation: fetches start when their own inputs are there, the answer is bytes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import orjson
import structlog

from router.errors import BadAnswer, DeadlineExceeded, RouterError
from router.execution.answers import Answers
from router.execution.asked import Asked, in_requests
from router.execution.compile import CompiledFetch, CompiledPlan
from router.execution.entities import Json
from router.execution.errors import Error
from router.execution.prepared import Prepared
from router.execution.project import Projection
from router.execution.project_quick import SURPRISES

Send: TypeAlias = Callable[[str, bytes, float], Awaitable[bytes]]
"""(subgraph name, JSON request body, seconds left) -> response body.

Raises a subclass of router.errors.Unavailable where the subgraph cannot be asked; any other RouterError becomes an
error at the fetch's place too. Cancelled when the request is.
"""

log = structlog.get_logger()
_NONE: Mapping[str, int] = {}


class Answer:
    """What goes back to the client. `fetches` counts the requests that were sent to subgraphs.

    `conflicts` counts by subgraph the scalars that another subgraph had given otherwise before: its own were passed over.
    """

    __slots__ = ("conflicts", "data", "errors", "extensions", "fetches")

    def __init__(
        self, data: dict[str, Any] | None, errors: list[Error], fetches: int, conflicts: Mapping[str, int] = _NONE
    ) -> None:
        """Take the data in the client's shape, and the errors with their paths."""
        self.data = data
        self.errors = errors
        self.fetches = fetches
        self.conflicts = conflicts
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
    data = _projected(prepared.compiled, run.answers)
    if data is not None and prepared.compiled.plan.introspection is not None:
        data |= prepared.introspected(given)
    return Answer(data, run.answers.errors, run.sent, run.answers.conflicts)


def _projected(compiled: CompiledPlan, answers: Answers) -> dict[str, Json] | None:
    try:
        return compiled.project(answers.data)
    except SURPRISES:
        return Projection(answers.errors).root(compiled.plan.shape, answers.data)


class Run:
    """One execution: what was asked, what is still to come, and in `answers` what has come. Only `fetch` changes them."""

    def __init__(self, plan: CompiledPlan, variables: Mapping[str, object], send: Send, until: float) -> None:
        self.answers = Answers(plan)
        self.sent = 0
        self.finished: set[int] = set()  # fetches that are done
        self.progress = asyncio.Event()
        self.on_done: Callable[[int], None] | None = None  # called with the id of a fetch before others read its data
        self._plan = plan
        self._variables = variables
        self._send = send
        self._until = until
        self._loop = asyncio.get_running_loop()
        self._waits = [len(one.fetch.needs) for one in plan.fetches]
        self._open = [0] * len(plan.fetches)  # requests of a fetch that are not answered yet
        self._under_way: dict[int, list[Asked]] = {}  # requests by identity, until their answers are in the data
        self._arrived: list[tuple[list[Asked], bytes | RouterError]] = []
        self._news = asyncio.Event()

    async def fetch(self, event: bytes | None = None) -> None:
        """Run the fetches; those that become ready together share a request if they ask the same subgraph.

        `event` is the answer of the first fetch where it is there already.
        """
        if event is None:
            await self._finish(self._requests([one for one in self._plan.fetches if not one.fetch.needs]))
            return
        (batch,) = self._requests([self._plan.fetches[0]])
        self._under_way[id(batch)] = batch
        self._arrived.append((batch, event))
        await self._finish(self._requests(self._settle()))

    async def again(self, fetches: frozenset[int]) -> None:
        """Run some fetches once more, on data that has changed; those they need are among them or done."""
        self.finished -= fetches
        self.answers.forget(fetches)
        for number in fetches:
            self._waits[number] = sum(1 for need in self._plan.fetches[number].fetch.needs if need in fetches)
        await self._finish(self._requests([self._plan.fetches[one] for one in fetches if not self._waits[one]]))

    async def _finish(self, requests: list[list[Asked]]) -> None:
        """Send requests, and all that become possible by their answers; what has not come by the deadline has failed."""
        try:
            async with asyncio.timeout_at(self._until), asyncio.TaskGroup() as tasks:
                while requests or self._under_way:
                    is_alone = len(requests) == 1 and not self._under_way
                    self._under_way.update((id(batch), batch) for batch in requests)
                    if is_alone:
                        await self._ask(requests[0])
                    else:
                        for batch in requests:
                            tasks.create_task(self._ask(batch))
                        await self._news.wait()
                    self._news.clear()
                    requests = self._requests(self._settle())
        except TimeoutError:
            requests = self._requests(self._settle())
            while requests or self._under_way:
                self._under_way.update((id(batch), batch) for batch in requests)
                late = self._under_way.values()
                self._arrived = [(batch, DeadlineExceeded(batch[0].fetch.subgraph)) for batch in late]
                requests = self._requests(self._settle())

    def _requests(self, fetches: list[CompiledFetch]) -> list[list[Asked]]:
        """Write the representations of fetches; those with nothing to ask are done at once, and free others."""
        requests: list[list[Asked]] = []
        together: dict[tuple[str, str], Asked] = {}
        answers, tainted = self.answers, self.answers.tainted
        todo = list(fetches)
        for compiled in todo:
            fetch = compiled.fetch
            if fetch.is_entity:
                asked = together.get(key := (fetch.subgraph, fetch.selection))
                if asked is None:
                    asked = together[key] = Asked(fetch, [])
                targets = compiled.gather(answers.origins(compiled.site), tainted, asked.seen, asked.representations)
            else:
                asked = Asked(fetch, [])
                targets = compiled.gather(answers.origins(compiled.site), tainted, {}, [])
                requests += [[asked]] if targets else []
            if targets:
                asked.members.append((compiled, targets))
            else:
                answers.skip(fetch)
                todo += self._done(compiled)
        requests += in_requests(one for one in together.values() if one.members)
        for batch in requests:
            for one in batch:
                for compiled, _ in one.members:
                    self._open[compiled.fetch.id] += 1
        return requests

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
        fetch = batch[0].fetch
        answer: bytes | RouterError
        try:
            body = self._plan.body(batch, self._variables)
            left = self._until - self._loop.time()
            if left <= 0:
                raise DeadlineExceeded(fetch.subgraph)
            self.sent += 1
            sending = self._send(fetch.subgraph, body, left)
            answer = await (_unstoppable(sending) if fetch.operation == "mutation" else sending)
        except RouterError as error:
            answer = error
        except TimeoutError:
            answer = DeadlineExceeded(fetch.subgraph)
        except Exception as error:
            log.exception("fetch_broke", module=fetch.subgraph, error=repr(error))
            answer = BadAnswer(fetch.subgraph, "nothing that can be used")
        self._arrived.append((batch, answer))
        self._news.set()

    def _settle(self) -> list[CompiledFetch]:
        """Put all answers that have come into the data; return the fetches that are ready now."""
        ready: list[CompiledFetch] = []
        arrived, self._arrived = self._arrived, []
        for batch, answer in arrived:
            del self._under_way[id(batch)]
            self.answers.take(batch, answer)
            for one in batch:
                for compiled, _ in one.members:
                    number = compiled.fetch.id
                    self._open[number] -= 1
                    if not self._open[number]:
                        if self.on_done is not None:
                            self.on_done(number)
                        ready += self._done(compiled)
        return ready


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
