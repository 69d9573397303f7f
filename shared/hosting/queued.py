"""Executes a queued command as the request it would have been, with the caller's rights as they are now."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from graphql import GraphQLError

from shared.clock import Clock, new_id
from shared.commands.command import TenantSuspended
from shared.commands.queue import Postponed
from shared.database.faults import is_transient
from shared.database.transaction import Database
from shared.errors import Defect, Denied, InvalidInput, MewayzError, Unauthenticated, Unavailable
from shared.graph.context import RequestContext
from shared.hosting.activity import Activity
from shared.hosting.documents import Documents
from shared.wire.envelope import Cause, correlation_of
from shared.wire.principal import Principal
from shared.wire.receipt import QueuedCommand, Reason, Settled, Status
from shared.wire.token import verify_internal

log = structlog.get_logger()
_TIME_S = 10.0


class QueuedCommands:
    """The `Execute` of a module's queue."""

    def __init__(
        self,
        documents: Documents,
        database: Database,
        clock: Clock,
        keys: Mapping[str, Ed25519PublicKey],
        activity: Activity,
    ) -> None:
        """Execute on the schema of `documents`; `keys` are the router's public keys by `kid`."""
        self._activity = activity
        self._documents = documents
        self._database = database
        self._clock = clock
        self._keys = keys

    async def __call__(self, command: QueuedCommand, body: bytes, token: str) -> Settled:
        """Return what came of a command. Raises Postponed where the database is away, or what its code raises."""
        try:
            principal = verify_internal(
                token, self._keys, audience=command.module, body=body, clock=self._clock
            ).principal
        except Unauthenticated as error:  # a gateway signs with a key that came after this process
            raise Postponed(f"the permit is not accepted: {error.facts['reason']}") from error
        try:
            with self._activity.work():
                status, reasons = await self._execute(command, principal)
        except Exception as error:
            if is_transient(error) or isinstance(error, Unavailable):
                raise Postponed(str(error)) from error
            raise
        log.info("command_settled", module=command.module, receipt=str(command.receipt), status=status)
        return command.settled(status, self._clock.now(), *reasons)

    async def _execute(self, command: QueuedCommand, principal: Principal) -> tuple[Status, Sequence[Reason]]:
        trace = command.traceparent
        cause = Cause(correlation_id=correlation_of(trace) or new_id(self._clock.now()), traceparent=trace)
        async with self._database.transaction(principal, cause, timeout_s=_TIME_S) as tx:
            context = RequestContext(command.module, self._database, tx, cause, time.time() + _TIME_S)
            context.receipt = command.receipt
            result = await self._documents.run(command.operation, command.variables, None, context)
        payload = (result.data or {}).get(command.command)
        if payload is not None:
            return _outcome(payload)
        return Status.REJECTED, [_refusal(result.errors or [])]


def _outcome(payload: Mapping[str, Any]) -> tuple[Status, Sequence[Reason]]:
    reasons = [
        Reason(code=one["code"], message=one["message"], field=tuple(one["field"]) if one["field"] else None)
        for one in payload["userErrors"]
    ]
    if any(reason.code == TenantSuspended.code for reason in reasons):
        return Status.REJECTED, reasons
    return Status(payload["receipt"]["status"]), reasons


def _refusal(errors: Sequence[GraphQLError]) -> Reason:
    """Return why a command was not begun. Raises what broke it, if that is neither its caller's matter nor its form."""
    error = errors[0] if errors else GraphQLError("The command has no answer.")
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if cause is None or isinstance(cause, GraphQLError):
        return Reason(code="SCHEMA_CHANGED", message=f"The command does not fit the module's schema: {error.message}")
    if isinstance(cause, MewayzError) and not isinstance(cause, Defect | Unavailable):
        code = cause.code if isinstance(cause, Denied | InvalidInput) else "VALIDATION"
        return Reason(code=code, message=cause.message)
    raise cause
