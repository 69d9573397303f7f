"""Mutations whose module can't take them now wait in JetStream, and are answered with a receipt (events.md, D)."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

import anyio
import msgspec
import orjson
import structlog

from router.errors import Overloaded, Unavailable
from router.gateway.access.modules import Modules
from router.gateway.commands.backlog import Backlog
from router.gateway.commands.connection import Connection
from router.gateway.commands.mutation import MutationField, mutation_fields
from router.gateway.commands.reasons import REUSED, said
from router.gateway.commands.store import ReceiptStore
from router.gateway.fetching import Caller
from router.gateway.served import Queueable, ServedGraph
from router.gateway.signing import Signer
from shared.clock import Clock, new_id
from shared.wire.jetstream import Message, PublishFailed, SubjectTaken, publish_first
from shared.wire.principal import Principal
from shared.wire.receipt import QueuedCommand, Settled, Status, receipt_id

_REMEMBERED = timedelta(days=1)  # an expired command stays so long, so that its receipt can say so
_GATE_S = 10.0

log = structlog.get_logger()


class MutationQueue:
    """Decides, for each mutation request to a module, whether it is sent or waits."""

    def __init__(
        self,
        connection: Connection,
        *,
        store: ReceiptStore,
        backlog: Backlog,
        served: ServedGraph,
        modules: Modules,
        signer: Signer,
        clock: Clock,
    ) -> None:
        """Take the parts; which fields may wait is read from what is served."""
        self._connection = connection
        self._store = store
        self._backlog = backlog
        self._served = served
        self._modules = modules
        self._signer = signer
        self._clock = clock
        self._refused_at: dict[str, float] = {}

    async def send(
        self, module: str, body: bytes, caller: Caller, behind: set[str], direct: Callable[[bool], Awaitable[bytes]]
    ) -> bytes:
        """Return the answer of `module`, by `direct`, or receipts in its place.

        `direct` is told whether the request may be sent twice. `behind` names the modules that an earlier field of the
        same operation waits for: later ones wait behind it. Raises what `direct` raises where nothing may wait, or
        QueueFull.
        """
        fields = mutation_fields(body)
        if not fields:
            return await direct(caller.may_repeat)
        waiting = self._queueables(fields, caller)
        is_keyed = all(field.idempotency_key for field in fields)
        if waiting is None:
            return await direct(is_keyed)
        refusal: Unavailable | None = None
        if module not in behind and not await self._is_gated(module, caller):
            try:
                return await direct(is_keyed)
            except Unavailable as error:
                if error.was_sent or isinstance(error, Overloaded):
                    raise
                refusal = error
                self._refused_at[module] = anyio.current_time()
        try:  # either all fields have room, or none waits
            await self._backlog.check_room(module, _tenant_of(caller), len(waiting))
            answer = {field.key: await self._put(module, field, kind, caller) for field, kind in waiting}
        except PublishFailed as error:
            log.warning("command_not_queued", module=module, error=str(error), reference=caller.trace.request_id)
            raise refusal or Unavailable(module) from error
        behind.add(module)
        return orjson.dumps({"data": answer})

    def _queueables(
        self, fields: Sequence[MutationField], caller: Caller
    ) -> list[tuple[MutationField, Queueable]] | None:
        """Return the fields with how long they may wait, None where one may not, or nobody is there to wait for."""
        known = self._served.now.queueables
        if caller.principal is None or caller.principal.user is None or caller.principal.tenant is None:
            return None
        if any(field.command not in known for field in fields):
            return None
        return [(field, known[field.command]) for field in fields]

    async def _is_gated(self, module: str, caller: Caller) -> bool:
        """Tell whether commands of the same tenant wait for a module that has just come back: they go first.

        That is asked for 10 s after it came back, or was last found away; a longer queue is overtaken.
        """
        now = anyio.current_time()
        since = max(self._modules.started_at(module), self._refused_at.get(module, float("-inf")))
        if now - since > _GATE_S or caller.principal is None or caller.principal.tenant is None:
            return False
        try:
            return await self._backlog.waits(module, caller.principal.tenant)
        except PublishFailed:
            return False

    async def _put(self, module: str, field: MutationField, kind: Queueable, caller: Caller) -> dict[str, object]:
        principal = caller.principal
        assert principal is not None
        assert principal.tenant is not None
        command = self._command(module, field, kind, caller, principal)
        known = await self._store.result(principal.tenant, command.receipt) if field.idempotency_key else None
        known = known or await self._publish(command, kind.ttl)
        if known is not None and known.input_hash != command.input_hash:
            sentence = said(REUSED, principal.locale)
            error = {"code": "IDEMPOTENCY_KEY_REUSED", "message": sentence, "field": None}
            return field.payload(kind.payload, _receipt(command, Status.FAILED), [error])
        log.info("command_queued", module=module, command=field.command, receipt=str(command.receipt))
        status = known.status if isinstance(known, Settled) else Status.QUEUED
        return field.payload(kind.payload, _receipt(command, status), [])

    def _command(
        self, module: str, field: MutationField, kind: Queueable, caller: Caller, principal: Principal
    ) -> QueuedCommand:
        assert principal.tenant is not None
        assert principal.user is not None
        now, key = self._clock.now(), field.idempotency_key
        command = QueuedCommand(
            receipt=receipt_id(principal, module, field.command, key) if key else new_id(now),
            tenant=principal.tenant,
            module=module,
            command=field.command,
            operation=field.operation,
            variables=dict(field.variables),
            input_hash=field.input_hash,
            actor="",
            user=principal.user,
            traceparent=caller.trace.traceparent,
            queued_at=now,
            expires_at=now + kind.ttl,
        )
        return msgspec.structs.replace(command, actor=self._signer.actor(principal, command))

    async def _publish(self, command: QueuedCommand, ttl: timedelta) -> QueuedCommand | None:
        """Put a command into the queue, and return the one that is there already under its receipt."""
        message = Message(command.subject, str(command.receipt), msgspec.json.encode(command))
        headers = {"Nats-TTL": f"{int((ttl + _REMEMBERED).total_seconds())}s"}
        try:
            await publish_first(self._connection.client, message, headers)
        except SubjectTaken:
            there = await self._store.waiting(command.module, command.tenant, command.receipt)
            return msgspec.json.decode(there, type=QueuedCommand) if there else None
        self._backlog.added(command.module, command.tenant)
        return None


def _tenant_of(caller: Caller) -> UUID:
    assert caller.principal is not None
    assert caller.principal.tenant is not None
    return caller.principal.tenant


def _receipt(command: QueuedCommand, status: Status) -> dict[str, object]:
    shown = Status.QUEUED if status is Status.RUNNING else status
    return {"__typename": "Receipt", "id": str(command.receipt), "status": shown}
