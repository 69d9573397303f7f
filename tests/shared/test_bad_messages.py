"""Messages as no module of ours sends them: too large, unreadable, of another type, out of bounds, out of order."""

from typing import Any
from uuid import UUID

import orjson
import pytest
from nats.js.errors import APIError

from shared.errors import Defect
from shared.wire.envelope import MAX_BYTES, Event
from shared.wire.principal import Principal
from tests.modules import RunningModule, until
from tests.shared.test_events import a_customer, flag, fresh, overdue, paid, position
from tests.waiting import jetstream

pytestmark = pytest.mark.anyio


class Counted(Event, type="customer.updated", aggregate="Customer"):
    """An event of a size that the test chooses; many small numbers grow most on their way through PostgreSQL."""

    customer_id: UUID
    numbers: list[int]


def an_envelope(who: Principal, **more: Any) -> dict[str, Any]:
    event_id = str(fresh())
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/test",
        "type": "invoice.overdue",
        "subject": str(fresh()),
        "time": "2026-06-30T12:00:00Z",
        "tenantid": str(who.tenant),
        "aggregatetype": "Invoice",
        "sequence": 1,
        "schemaversion": 1,
        "correlationid": event_id,
        "data": {"invoiceId": str(fresh()), "customerId": str(fresh())},
        **more,
    }


@pytest.mark.parametrize(
    "message",
    [
        {"sequence": 2**63},
        {"sequence": 0},
        {"sequence": "one"},
        {"aggregatetype": "In\0voice"},
        {"id": "no id"},
        {"time": "yesterday"},
        {"data": [1, 2]},
        {"type": "invoice.paid"},
    ],
    ids=lambda message: next(iter(message)),
)
async def test_a_message_that_is_malformed_is_put_aside_and_the_rest_flows(
    crm: RunningModule, message: dict[str, Any]
) -> None:
    """contracts.md, "Events": copied to dlq with a reason, acknowledged, parks no key; what the inbox can't hold too"""
    ada, customer = await a_customer(crm)
    body = orjson.dumps(an_envelope(ada, **message))

    await jetstream(crm.admin).publish(f"evt.{ada.tenant}.invoice.overdue", body)
    await overdue(crm, ada, customer, fresh(), 1)

    async def flows() -> bool:
        return await flag(crm, ada)

    await until(flows)
    copy = await crm.dead_letter(ada.tenant, "invoice.overdue")
    assert copy.data == body
    assert (copy.headers or {})["Mewayz-Reason"] == "MALFORMED"


async def test_a_type_that_nobody_declared_is_refused_by_the_broker_or_reaches_nobody(crm: RunningModule) -> None:
    """A module may publish its own types only (tests/mewayz/test_nats.py); one put there by hand wakes no handler"""
    ada, customer = await a_customer(crm)
    thing = fresh()

    await crm.publish(ada.tenant, "thing.invented", "Thing", thing, 1, {})
    await overdue(crm, ada, customer, fresh(), 1)

    async def flows() -> bool:
        return await flag(crm, ada)

    await until(flows)
    assert ada.tenant
    assert await crm.rows(ada.tenant, "select 1 from kit.inbox_key where key = $1", f"Thing/{thing}") == []


async def test_a_message_above_the_limit_is_refused_by_the_stream(crm: RunningModule) -> None:
    """events.md, A: 256 KiB; a larger payload is an object of its own"""
    ada, _ = await a_customer(crm)
    message = an_envelope(ada, data={"text": "x" * (MAX_BYTES + 1024)})

    with pytest.raises(APIError, match="message size exceeds maximum allowed"):
        await jetstream(crm.admin).publish(f"evt.{ada.tenant}.invoice.overdue", orjson.dumps(message))


async def test_an_event_too_large_is_refused_where_it_is_published_and_the_largest_gets_out(crm: RunningModule) -> None:
    """One that the stream refuses for good would hold up all that come behind it in its module"""
    ada, customer = await a_customer(crm)

    def event(count: int) -> Counted:
        return Counted(customer_id=customer, numbers=[1] * count)

    with pytest.raises(Defect, match="are allowed"):  # 2 bytes a number as written, 3 as PostgreSQL prints it
        async with crm.transaction(ada) as tx:
            tx.publish(event(MAX_BYTES * 2 // 5))
    largest = (MAX_BYTES - 1000) // 3
    async with crm.transaction(ada) as tx:
        tx.publish(event(largest))

    async def is_out() -> bool:
        sent = await crm.outgoing(ada.tenant, "customer.updated")
        return [len(one["data"]["numbers"]) for one in sent] == [largest]

    await until(is_out)


async def test_an_event_behind_a_later_one_has_no_effect(crm: RunningModule) -> None:
    """events.md, B: order wins; nothing is applied behind what came after it"""
    ada, customer = await a_customer(crm)
    invoice = fresh()

    await paid(crm, ada, customer, invoice, 5)
    await overdue(crm, ada, customer, invoice, 4)
    await overdue(crm, ada, customer, invoice, 6)
    await paid(crm, ada, customer, invoice, 7)

    async def settled() -> bool:
        return (await position(crm, ada, invoice) or {}).get("last_sequence") == 7

    await until(settled)
    assert not await flag(crm, ada)


@pytest.mark.parametrize("data", [{}, {"slugName": 5, "name": None}, {"slugName": "a\0b"}])
async def test_a_tenant_that_cannot_be_kept_holds_up_no_module(crm: RunningModule, data: dict[str, Any]) -> None:
    """All 208 modules read of each tenant: one message that ended their processes would end them all, again and again"""
    known = {"name": "n", "timezone": "UTC", "baseCurrency": "CNY", "defaultLocale": "en"}
    tenant = fresh()

    await crm.publish(tenant, "tenant.created", "Tenant", tenant, 1, {**known, **data} if data else {})

    ada, _ = await a_customer(crm)  # a tenant that comes after it is known
    assert ada.tenant != tenant
    assert await crm.rows(tenant, "select 1 from kit.tenant") == []
