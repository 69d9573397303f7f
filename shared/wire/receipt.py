"""Queued commands and their receipts as they cross the wire: what the router stores, what comes of it (contracts.md, "Commands").

A command that waits lies in stream COMMANDS under `cmd.<module>.<tenant>.<receipt>`. What came of it lies in stream CMDRES
under `cmdres.<tenant>.<receipt>`, where the first message is a claim: RUNNING by the module that is let to execute it, or
CANCELLED by its sender; the stream takes one first message only, and so decides between the two.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

import msgspec

from shared.wire.principal import Principal

LONGEST_WAIT = timedelta(days=1)  # so long the router's former keys are kept
REMEMBERED = timedelta(days=1)  # an expired command stays so long, so that its receipt can say so

_RECEIPTS = UUID("6d657761-797a-5000-8000-726563656970")


class Status(StrEnum):
    """What became of a command. RUNNING is shown to clients as QUEUED: it can't be cancelled any more."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why a command had no effect: a `UserError`."""

    code: str
    message: str
    field: tuple[str, ...] | None = None


class QueuedCommand(msgspec.Struct, frozen=True, kw_only=True):
    """One mutation field that waits for its module, in the body of its message."""

    receipt: UUID
    tenant: UUID
    module: str
    command: str
    operation: str  # a mutation of this one field, which selects userErrors and receipt
    variables: dict[str, Any]
    input_hash: str  # of the field's arguments without their idempotency key
    actor: str  # the caller's claims, signed by the router: see shared.wire.token.sign_actor
    user: UUID
    traceparent: str | None = None
    queued_at: datetime
    expires_at: datetime

    @property
    def subject(self) -> str:
        """Where the command waits."""
        return command_subject(self.module, self.tenant, self.receipt)

    @property
    def signed_part(self) -> bytes:
        """What `actor` is signed with: the actor of one command is none of another."""
        return msgspec.json.encode([self.receipt, self.module, self.operation, self.variables])

    def settled(self, status: Status, at: datetime, *reasons: Reason) -> "Settled":
        """Return what came of this command."""
        return Settled(
            receipt=self.receipt,
            module=self.module,
            command=self.command,
            user=self.user,
            input_hash=self.input_hash,
            status=status,
            reasons=reasons,
            queued_at=self.queued_at,
            expires_at=self.expires_at,
            settled_at=at,
        )


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a queued command."""

    receipt: UUID
    module: str
    command: str
    user: UUID
    input_hash: str
    status: Status
    reasons: tuple[Reason, ...] = ()
    queued_at: datetime
    expires_at: datetime
    settled_at: datetime


class PermitWanted(msgspec.Struct, frozen=True):
    """A module asks the gateway whether it may execute a command that waits for it."""

    tenant: UUID
    receipt: UUID


class Permit(msgspec.Struct, frozen=True):
    """The gateway's answer: an internal token for the command's body with the caller's rights as they are now.

    Without a token there is nothing to execute: the receipt is settled, by `status`, or unknown (None).
    """

    token: str | None = None
    status: Status | None = None


def command_subject(module: str, tenant: UUID | str, receipt: UUID | str) -> str:
    """Return where a command waits; each part may be `*`."""
    return f"cmd.{module}.{tenant}.{receipt}"


def result_subject(tenant: UUID, receipt: UUID | str) -> str:
    """Return where it is kept what came of a command."""
    return f"cmdres.{tenant}.{receipt}"


def permit_subject(module: str) -> str:
    """Return where a module asks for permits; only its own user may publish there."""
    return f"ask.permit.{module}"


def receipt_id(principal: Principal, module: str, command: str, key: str) -> UUID:
    """Return a receipt's id: of tenant, user, module, command (`close_deal_won` or `closeDealWon`) and idempotency key."""
    name = command.replace("_", "").lower()
    return uuid5(_RECEIPTS, f"{principal.tenant}/{principal.user}/{module}/{name}/{key}")
