"""What whoever runs the machine does to a log where no token can: of no tenant, and of closed ones."""

from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

from sqlalchemy import select

from shared.database.transaction import Transaction
from subgraphs.audit_log import retention, sealing
from subgraphs.audit_log.models import AuditTamper, RetentionRule


async def _acknowledge(tx: Transaction, told: Mapping[str, str]) -> str:
    """Acknowledge all that waits; return how much that was."""
    waiting = await tx.all(select(AuditTamper).where(AuditTamper.acknowledged_at.is_(None)))
    for tamper in waiting:
        await sealing.acknowledge(tx, tamper, told["explanation"])
    return str(len(waiting))


async def _hold(tx: Transaction, told: Mapping[str, str]) -> str:
    """Place a hold; return its id."""
    return str((await retention.place_hold(tx, told["reason"])).id)


async def _release(tx: Transaction, told: Mapping[str, str]) -> str:
    """Release a hold; return its id."""
    hold = await tx.get(RetentionRule, UUID(told["hold"]))
    await retention.release_hold(tx, hold)
    return str(hold.id)


async def _keep(tx: Transaction, told: Mapping[str, str]) -> str:
    """Set for how many months all is kept, 0 for ever; return the rule's id."""
    rule = await retention.set_rule(tx, "By the operator", int(told["months"]) or None, None, active=True)
    return str(rule.id)


ORDERS: Mapping[str, Callable[[Transaction, Mapping[str, str]], Awaitable[str]]] = {
    "acknowledge": _acknowledge,
    "hold": _hold,
    "release": _release,
    "keep": _keep,
}
