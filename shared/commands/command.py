"""The mark of a command, and how one runs."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from shared.clock import new_id
from shared.commands.idempotency import Answer, UserErrorFacts, input_hash, recall, remember
from shared.database.entity import Entity
from shared.database.transaction import Database, Transaction
from shared.database.visibility import reaches
from shared.errors import Defect, Forbidden, Invalid, NotYet, Refusal
from shared.language import Phrase, refusal_in
from shared.values import put_mark
from shared.wire.envelope import Cause
from shared.wire.principal import Principal, RowScope
from shared.wire.receipt import LONGEST_WAIT, receipt_id
from shared.wire.span import span

F = TypeVar("F", bound=Callable[..., Any])
_MAX_KEY = 200


@dataclass(frozen=True, slots=True)
class CommandMark:
    """A function `(tx, ...) -> row` that changes something.

    `permission` is what the caller needs; `queueable` says for how long the command may wait while the module is away
    (`"1h"`), None for not at all.
    """

    permission: str
    queueable: str | None


def command(permission: str, *, queueable: str | None = None) -> Callable[[F], F]:
    """Mark a function as a command; the function stays as it is. See CommandMark."""
    if queueable is not None:
        _check_wait(queueable)
    return lambda function: put_mark(function, CommandMark(permission, queueable))


def _check_wait(text: str) -> None:
    ttl = span(text)
    if ttl is None:
        raise Defect(f"{text!r} is no time to live: write 30s, 15m, 1h or 1d.")
    if ttl > LONGEST_WAIT:
        raise Defect(f"A command can't wait for {text}: write 1d or less.")


class TenantSuspended(Refusal):
    """The tenant may read, and change nothing (IDN-7)."""

    code = "TENANT_SUSPENDED"

    def __init__(self, state: str) -> None:
        """Name the tenant's state."""
        super().__init__("This company is {state}: it can be read, but not changed.", state=Phrase(state.lower()))


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a command. `receipt` is given where it waited in the queue: without a key, that is its key."""

    principal: Principal
    cause: Cause
    arguments: Mapping[str, Any]
    idempotency_key: str | None = None
    expected_version: int | None = None
    timeout_s: float = 5.0
    receipt: UUID | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command answers: the row (or rows) it returned, or why it was refused."""

    result: Entity | Sequence[Entity] | None
    errors: Sequence[UserErrorFacts]
    receipt: UUID


async def run_command(
    database: Database, function: Callable[..., Any], mark: CommandMark, model: type[Entity], call: Call
) -> Outcome:
    """Run a command in one transaction and return its outcome; a refusal leaves nothing behind but its answer.

    `model` is the entity it returns. With an idempotency key the first answer is given again for the same input, for
    7 days. Raises Forbidden without the permission, or where it is held for some rows and the command works on others; what
    isn't a Refusal passes through.
    """
    scope = call.principal.scope(mark.permission)
    if scope is not RowScope.TENANT and model.__owner__ is None:
        scope = None
    if scope is None and call.receipt is None:
        raise Forbidden(mark.permission)
    key = call.idempotency_key
    if key is not None and not 0 < len(key) <= _MAX_KEY:
        raise Invalid("An idempotency key has 1 to {max_key} characters.", "idempotencyKey", max_key=_MAX_KEY)
    if key is None and call.receipt is not None:
        key = str(call.receipt)
    receipt = _receipt(call, database, function.__name__)
    digest = input_hash(call.arguments, call.expected_version)
    try:
        async with database.transaction(call.principal, call.cause, timeout_s=call.timeout_s) as tx:
            if key is not None and (known := await recall(tx, function.__name__, key, digest)):
                if call.receipt is not None:  # what came of it is told, also to who has no rights any more; no row is
                    return Outcome(None, known.errors, receipt)
                kept = known.rows(model)
                if scope is None or known.is_beyond(scope):
                    _must_reach(kept, call.principal, mark)
                return Outcome(kept, known.errors, receipt)
            if scope is None:
                raise Forbidden(mark.permission)
            await _must_be_active(tx)
            tx.expected_version, tx.guard = call.expected_version, (model, scope)
            result = await function(tx, **call.arguments)
            await tx.session.flush()
            _must_reach(result, call.principal, mark, tx.allowed)
            if key is not None:
                await remember(tx, function.__name__, key, digest, Answer.of(result, scope))
        return Outcome(result, (), receipt)
    except Refusal as refusal:
        message = refusal_in(refusal, call.principal.locale, database.slug)
        errors = (UserErrorFacts(code=refusal.code, message=message, field=refusal.field),)
        if key is not None and refusal.code != "IDEMPOTENCY_KEY_REUSED":
            async with database.transaction(call.principal, call.cause) as tx:
                await remember(tx, function.__name__, key, digest, Answer(errors=errors))
        return Outcome(None, errors, receipt)


def _must_reach(
    result: Entity | Sequence[Entity] | None,
    principal: Principal,
    mark: CommandMark,
    allowed: Collection[UUID] = (),
) -> None:
    """Raise Forbidden where a command answers with a row that lies outside the caller's row scope.

    What it made, or got by `Transaction.get`, is allowed: a row may be handed on to somebody else.
    """
    rows = [result] if isinstance(result, Entity) else result or ()
    if not all(row.id in allowed or reaches(row, principal, mark.permission) for row in rows):
        raise Forbidden(mark.permission)


async def _must_be_active(tx: Transaction) -> None:
    """Raise TenantSuspended in a tenant that may change nothing; one that isn't known here yet may."""
    try:
        state = (await tx.tenant()).state
    except NotYet:
        return
    if state != "ACTIVE":
        raise TenantSuspended(state)


def _receipt(call: Call, database: Database, name: str) -> UUID:
    """Return the receipt's id: the one of a queued call, else by its key; a new one without key (contracts.md)."""
    if call.receipt is not None:
        return call.receipt
    if call.idempotency_key is None:
        return new_id(database.clock.now())
    return receipt_id(call.principal, database.slug, name, call.idempotency_key)
