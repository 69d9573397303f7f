"""Receipts of both tenants in the gateway's own stream: commands that wait, and some that had no effect."""

from collections.abc import Callable
from datetime import timedelta

import anyio
import msgspec
from nats.aio.client import Client

from mewayz.proof.ids import Side
from mewayz.proof.rows import ROWS
from shared.clock import Clock
from shared.wire.jetstream import Message, publish
from shared.wire.receipt import QueuedCommand, Reason, Status, result_subject

RECEIPT = "gateway.Receipt"
_HOUR = timedelta(hours=1)


async def fill_receipts(client: Client, side: Side, clock: Clock) -> None:
    """Write a receipt for each row number: even ones have failed, odd ones wait; all are of the person of row 1."""
    for number in range(1, ROWS):
        command = _command(side, number, clock)
        if number % 2:
            await publish(client, Message(command.subject, str(command.receipt), msgspec.json.encode(command)))
            continue
        reason = Reason(code="VALIDATION", message=f"{side.canary}reason{number}", field=(f"{side.canary}field",))
        settled = command.settled(Status.FAILED, clock.now(), reason)
        subject = result_subject(command.tenant, command.receipt)
        await publish(client, Message(subject, f"{command.receipt}-{settled.status}", msgspec.json.encode(settled)))


async def until_connected(is_connected: Callable[[], bool]) -> None:
    """Wait until a gateway's queue is connected."""
    with anyio.fail_after(30):
        while not is_connected():  # noqa: ASYNC110 the connection is made in the background, and tells nobody
            await anyio.sleep(0.02)


def _command(side: Side, number: int, clock: Clock) -> QueuedCommand:
    now = clock.now()
    return QueuedCommand(
        receipt=side.row(RECEIPT, number),
        tenant=side.tenant,
        module="crm",
        command=f"{side.canary}command{number}",
        operation="mutation { openDeal { receipt { id } } }",
        variables={},
        input_hash="0",
        actor="",
        user=side.row("identity.UserAccount", 1),
        queued_at=now,
        expires_at=now + _HOUR,
    )
