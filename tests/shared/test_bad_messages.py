"""Messages as no module of ours sends them: too large, unreadable, of a type nobody knows, out of bounds, out of order."""

from typing import Any

import orjson
import pytest
from sqlalchemy import text

from benchmarks.events_world import World
from shared.database.transaction import Transaction
from shared.errors import Defect
from shared.events.consumer import Consumer, Subscription
from shared.wire.envelope import MAX_BYTES, Event
from tests.modules import RunningModule, until
from tests.shared.test_events import a_customer, flag, fresh, overdue, paid, position

pytestmark = pytest.mark.anyio


class Told(Event, type="customer.told", aggregate="Customer"):
    """An event of a size that the test chooses; many small numbers grow most on their way through PostgreSQL."""

    customer_id: Any
    numbers: list[int]


async def refused(crm: RunningModule, subject: str, message: dict[str, Any], reason: str) -> bool:
    """Publish a message and return whether a copy of it came to the dead letters with this reason."""
    await crm.admin.jetstream().publish(subject, orjson.dumps(message))
    tenant, event_type = subject.split(".", 2)[1:]

    async def copied() -> bool:
        try:
            copy = await crm.admin.jetstream().get_last_msg("DLQ", f"dlq.crm.{tenant}.{event_type}")
        except Exception:
            return False
        return (copy.headers or {}).get("Mewayz-Reason") == reason and copy.data == orjson.dumps(message)

    await until(copied)
    return True
