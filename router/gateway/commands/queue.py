"""Mutations whose module can't take them now wait in JetStream, and are answered with a receipt (events.md, D)."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
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
from router.gateway.fetching import Behind, Caller, Receipts
from router.gateway.served import Queueable, ServedGraph
from router.gateway.signing import Signer
from shared.clock import Clock, new_id
from shared.wire.jetstream import PublishFailed
from shared.wire.principal import Principal
from shared.wire.receipt import QueuedCommand, Settled, Status, receipt_id

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
        self, module: str, body: bytes, caller: Caller, behind: Behind, direct: Callable[[bool], Awaitable[bytes]]
    ) -> bytes:
        """Return the answer of `module`, by `direct`, or receipts in its place.

        `direct` is told whether the request may be sent twice. Fields wait `behind` earlier ones of the same operation
        that wait for the same module. Raises what `direct` raises where nothing may wait, or QueueFull.
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
        try:  # all fields wait, or none
            answer, receipts = await self._put(module, waiting, caller)
        except PublishFailed as error:
            log.warning("command_not_queued", module=module, error=str(error), reference=caller.trace.request_id)
            raise refusal or Unavailable(module) from error
        behind.setdefault(module, {}).update(receipts)
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

    async def _put(
        self, module: str, waiting: Sequence[tuple[MutationField, Queueable]], caller: Caller
    ) -> tuple[dict[str, object], Receipts]:
        """Let fields wait, and return what they are answered, with their receipts. Raises PublishFailed or QueueFull."""
        principal, tenant = caller.principal, _tenant_of(caller)
        assert principal is not None
        commands = [self._command(module, field, kind, caller, principal) for field, kind in waiting]
        known = await self._store.put(commands, room=partial(self._backlog.check_room, module, tenant))
        answer, receipts = dict[str, object](), Receipts()
        for (field, kind), command in zip(waiting, commands, strict=True):
            found = known[command.receipt]
            if found.input_hash != command.input_hash:
                sentence = said(REUSED, principal.locale)
                error = {"code": "IDEMPOTENCY_KEY_REUSED", "message": sentence, "field": None}
                answer[field.key] = field.payload(kind.payload, _receipt(command, Status.FAILED), [error])
                continue
            if found is command:
                self._backlog.added(module, command.tenant)
            log.info("command_queued", module=module, command=field.command, receipt=str(command.receipt))
            receipt = _receipt(command, found.status if isinstance(found, Settled) else Status.QUEUED)
            receipts[field.key] = {name: receipt[name] for name in ("id", "status")}
            answer[field.key] = field.payload(kind.payload, receipt, [])
        return answer, receipts

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


def _tenant_of(caller: Caller) -> UUID:
    assert caller.principal is not None
    assert caller.principal.tenant is not None
    return caller.principal.tenant


def _receipt(command: QueuedCommand, status: Status) -> dict[str, str]:
    shown = Status.QUEUED if status is Status.RUNNING else status
    return {"__typename": "Receipt", "id": str(command.receipt), "status": shown}
