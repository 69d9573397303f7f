"""Operations whose answers come one after the other, for whatever protocol carries them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import anyio
import orjson

from router.execution.defer import execute_in_pieces
from router.execution.prepared import Prepared
from router.execution.run import Answer, execute
from router.execution.subscribe import subscribe
from router.gateway.access.gate import Gate
from router.gateway.errors import AnswerTooLarge, MethodNotAllowed
from router.gateway.fetching import Caller, Fetcher, Sender
from router.gateway.masking import mask
from router.gateway.observe.audit import AuditTrail
from router.gateway.observe.telemetry import Trace
from router.gateway.protocol.http import Operation, check_variables
from router.gateway.served import ServedGraph, Serving
from router.gateway.settings import Settings
from router.gateway.streaming import Streamer
from shared.wire.principal import Principal


class Subscriptions:
    """Answers any operation as a stream of answers; a query or mutation gives one."""

    def __init__(
        self,
        *,
        served: ServedGraph,
        gate: Gate,
        fetcher: Fetcher,
        streamer: Streamer,
        settings: Settings,
        audit: AuditTrail,
    ) -> None:
        """Keep the parts; none is changed here."""
        self._gate = gate
        self._served = served
        self._fetcher = fetcher
        self._streamer = streamer
        self._settings = settings
        self._audit = audit
        self._begun: set[asyncio.Task[None]] = set()

    async def follow(self) -> None:
        """Until cancelled, own the mutations whose client has gone; then wait for those that are under way."""
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await asyncio.gather(*self._begun, return_exceptions=True)

    def answers(
        self, operation: Operation, principal: Principal | None, trace: Trace, *, is_safe: bool = False
    ) -> AsyncGenerator[bytes]:
        """Return the answers as JSON, masked; with `is_safe` mutations are refused.

        Raises what is wrong with the operation before anything is sent.
        """
        check_variables(operation, self._settings.variables_bytes)
        serving = self._served.now
        prepared = self._gate.admit(
            operation.query, operation.operation_name, operation.variables, principal=principal, serving=serving
        )
        if is_safe and prepared.operation == "mutation":
            raise MethodNotAllowed("POST")
        caller = Caller(principal, trace, may_repeat=prepared.operation != "mutation")
        if prepared.compiled.plan.is_incremental:
            return self.pieces(serving, prepared, operation, caller)
        return self._to_the_end(self._masked(self._found(serving, prepared, operation, caller), caller), caller)

    def pieces(
        self, serving: Serving, prepared: Prepared, operation: Operation, caller: Caller
    ) -> AsyncGenerator[bytes]:
        """Return the payloads of an operation with deferred fragments, as JSON, masked. Raises BadVariables."""
        prepared.coerced(operation.variables or {})
        sender = Sender(self._fetcher, serving.destinations, caller)
        payloads = execute_in_pieces(prepared, operation.variables, sender, self._settings.request_deadline_s)
        return self._to_the_end(self._masked_pieces(payloads, caller), caller)

    def _to_the_end(self, answers: AsyncGenerator[bytes], caller: Caller) -> AsyncGenerator[bytes]:
        """Return the answers; those of a mutation go on though nobody takes them any more, for it may have been sent."""
        return answers if caller.may_repeat else self._apart(answers)

    async def _apart(self, answers: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        come: asyncio.Queue[bytes | None] = asyncio.Queue()

        async def work() -> None:
            try:
                async for answer in answers:
                    come.put_nowait(answer)
            finally:
                come.put_nowait(None)

        task = asyncio.create_task(work())  # noqa: TID251 owned by `follow`
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        while (answer := await come.get()) is not None:
            yield answer
        await task

    async def _masked_pieces(self, payloads: AsyncGenerator[dict[str, Any]], caller: Caller) -> AsyncGenerator[bytes]:
        async with aclosing(payloads) as opened:
            async for payload in opened:
                for part in (payload, *payload.get("incremental", ()), *payload.get("completed", ())):
                    self._look_at(part.get("errors"), caller)
                yield orjson.dumps(payload)

    def _found(
        self, serving: Serving, prepared: Prepared, operation: Operation, caller: Caller
    ) -> AsyncGenerator[Answer]:
        sender = Sender(self._fetcher, serving.destinations, caller)
        seconds = self._settings.request_deadline_s
        if prepared.operation != "subscription":
            prepared.coerced(operation.variables or {})  # so that wrong variables are refused here

            async def only() -> AsyncGenerator[Answer]:
                answer = await execute(prepared, operation.variables, sender, seconds)
                sender.tell_of_receipts(answer)
                yield answer

            return only()

        def opened(subgraph: str, body: bytes) -> AsyncIterator[bytes]:
            destination = serving.destinations[subgraph]
            return self._streamer.events(destination, body, subgraph=subgraph, caller=caller)

        return subscribe(prepared, operation.variables, opened, sender, event_deadline_s=seconds)

    async def _masked(self, answers: AsyncGenerator[Answer], caller: Caller) -> AsyncGenerator[bytes]:
        async with aclosing(answers) as opened:
            async for answer in opened:
                self._look_at(answer.errors, caller)
                body, limit = answer.body(), self._settings.answer_bytes
                yield body if len(body) <= limit else orjson.dumps({"errors": [AnswerTooLarge(limit).formatted()]})

    def _look_at(self, errors: list[dict[str, Any]] | None, caller: Caller) -> None:
        """Note what was denied, and mask what is nobody's business."""
        if not errors:
            return
        self._audit.denied(errors, caller.principal)
        if self._settings.mask_errors:
            mask(errors, reference=caller.trace.request_id)
