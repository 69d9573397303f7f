"""Events in: once, in order, parked when they are poison, refused when they are forged."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from shared.clock import new_id
from shared.events.parked import NothingParked, count_parked, list_parked, parked_keys, replay, show_parked, skip
from shared.events.subscription import Subscription
from shared.wire.envelope import Event
from shared.wire.principal import Principal
from tests.modules import RunningModule, until
from tests.waiting import jetstream

pytestmark = pytest.mark.anyio


def fresh() -> UUID:
    return new_id(datetime.now(UTC))  # noqa: TID251 outside the platform


async def a_customer(crm: RunningModule) -> tuple[Principal, UUID]:
    ada = await crm.new_tenant()
    made = await crm.command(ada, "registerCustomer", "customer { id }", name="Acme")
    return ada, UUID(made["customer"]["id"])


async def flag(crm: RunningModule, who: Principal) -> bool:
    assert who.tenant
    (row,) = await crm.rows(who.tenant, "select credit_flag from customer")
    return row["credit_flag"]


async def position(crm: RunningModule, who: Principal, invoice: UUID) -> dict[str, Any] | None:
    assert who.tenant
    rows = await crm.rows(
        who.tenant, "select last_sequence, parked from kit.inbox_key where key = $1", f"Invoice/{invoice}"
    )
    return rows[0] if rows else None


async def overdue(
    crm: RunningModule, who: Principal, customer: UUID, invoice: UUID, sequence: int, **more: Any
) -> UUID:
    assert who.tenant
    data = {"invoiceId": str(invoice), "customerId": str(customer), "unknownField": 1}
    return await crm.publish(who.tenant, "invoice.overdue", "Invoice", invoice, sequence, data, **more)


async def paid(crm: RunningModule, who: Principal, customer: UUID, invoice: UUID, sequence: int) -> None:
    assert who.tenant
    data = {"invoiceId": str(invoice), "customerId": str(customer)}
    await crm.publish(who.tenant, "invoice.paid", "Invoice", invoice, sequence, data)


async def test_an_event_has_its_effect_once_however_often_it_comes(crm: RunningModule) -> None:
    """contracts.md, "Events": an inbox row, not a memory of ids"""
    ada, customer = await a_customer(crm)
    invoice = fresh()

    event_id = await overdue(crm, ada, customer, invoice, 1)
    for _ in range(2):
        await overdue(crm, ada, customer, invoice, 1, id=event_id)
    await paid(crm, ada, customer, invoice, 2)
    await overdue(crm, ada, customer, invoice, 1, id=event_id)
    last = fresh()
    await overdue(crm, ada, fresh(), last, 1)

    async def settled() -> bool:
        return (await position(crm, ada, invoice) or {}).get("last_sequence") == 2 and bool(
            await position(crm, ada, last)
        )

    await until(settled)
    assert not await flag(crm, ada)
    assert ada.tenant
    assert await crm.rows(ada.tenant, "select 1 from overdue_invoice") == []


async def test_poison_parks_its_aggregate_and_no_other(crm: RunningModule) -> None:
    """contracts.md, "Events": three tries, then the key is parked with its later events"""
    ada, customer = await a_customer(crm)
    poisoned, sound = fresh(), fresh()
    assert ada.tenant

    await crm.publish(ada.tenant, "invoice.overdue", "Invoice", poisoned, 1, {"invoiceId": "abc", "customerId": None})
    await overdue(crm, ada, customer, poisoned, 2)
    await overdue(crm, ada, customer, sound, 1)

    async def parked() -> bool:
        return bool((await position(crm, ada, poisoned) or {}).get("parked"))

    await until(parked)

    async def flows() -> bool:
        return await flag(crm, ada)

    await until(flows)
    assert (await position(crm, ada, sound) or {})["last_sequence"] == 1
    copy = await crm.dead_letter(ada.tenant, "invoice.overdue")
    assert copy.headers is not None
    assert "ValidationError" in copy.headers["Mewayz-Reason"]


async def test_events_beside_a_poisoned_one_are_applied_once_each(crm: RunningModule) -> None:
    """events.md, B4 and B5: what was tried together and failed is undone, and each goes on by itself"""
    ada, customer = await a_customer(crm)
    assert ada.tenant
    invoices = [fresh() for _ in range(12)]

    for number, invoice in enumerate(invoices):
        if number == 5:
            await crm.publish(ada.tenant, "invoice.overdue", "Invoice", invoice, 1, {"invoiceId": "abc"})
        else:
            await overdue(crm, ada, customer, invoice, 1)

    async def all_settled() -> bool:
        found = [await position(crm, ada, invoice) for invoice in invoices]
        return all(found) and bool((found[5] or {}).get("parked"))

    await until(all_settled)
    assert ada.tenant
    rows = await crm.rows(ada.tenant, "select invoice_id from overdue_invoice")
    assert sorted(row["invoice_id"] for row in rows) == sorted(set(invoices) - {invoices[5]})


async def test_a_higher_payload_version_is_parked_not_guessed(crm: RunningModule) -> None:
    ada, customer = await a_customer(crm)
    invoice = fresh()

    await overdue(crm, ada, customer, invoice, 1, schemaversion=2)

    async def parked() -> bool:
        return bool((await position(crm, ada, invoice) or {}).get("parked"))

    await until(parked)
    assert not await flag(crm, ada)


async def test_a_forged_tenant_has_no_effect_anywhere(crm: RunningModule) -> None:
    """S7; security.md, threat 16"""
    ada, customer = await a_customer(crm)
    eve = await crm.new_tenant()
    invoice = fresh()

    await overdue(crm, ada, customer, invoice, 1, tenantid=str(eve.tenant))

    copy = await crm.dead_letter(ada.tenant, "invoice.overdue")
    assert (copy.headers or {})["Mewayz-Reason"] == "FORGED_TENANT"
    assert await position(crm, ada, invoice) is None
    assert await position(crm, eve, invoice) is None
    assert not await flag(crm, ada)


async def test_what_is_no_envelope_is_put_aside_and_the_rest_flows(crm: RunningModule) -> None:
    ada, customer = await a_customer(crm)
    invoice = fresh()

    await jetstream(crm.admin).publish(f"evt.{ada.tenant}.invoice.overdue", b"{not json")
    await overdue(crm, ada, customer, invoice, 1)

    async def flows() -> bool:
        return await flag(crm, ada)

    await until(flows)


async def park(crm: RunningModule, who: Principal, invoice: UUID, customer: UUID) -> str:
    """Park an overdue notice that can't be read, with a sound payment behind it."""
    assert who.tenant
    bad = {"invoiceId": "abc", "customerId": str(customer)}
    await crm.publish(who.tenant, "invoice.overdue", "Invoice", invoice, 1, bad)
    await paid(crm, who, customer, invoice, 2)

    async def both() -> bool:
        assert who.tenant
        return len(await list_parked(crm.urls.relay_url, who.tenant, f"Invoice/{invoice}")) == 2

    await until(both)
    return f"Invoice/{invoice}"


async def test_parked_events_are_listed_with_their_bytes_and_error(crm: RunningModule) -> None:
    """S6"""
    ada, customer = await a_customer(crm)
    key = await park(crm, ada, fresh(), customer)

    first, second = await list_parked(crm.urls.relay_url, ada.tenant, key)
    shown = await show_parked(crm.urls.relay_url, first.event_id)

    assert (first.sequence, first.attempts, second.sequence, second.error) == (1, 3, 2, None)
    assert "invoiceId" in (first.error or "")
    assert shown is not None
    assert '"abc"' in shown["body"]


async def test_what_is_parked_is_counted_and_its_keys_are_told_whole(crm: RunningModule) -> None:
    """A replay took the keys of the first 200 events, and said that all was replayed"""
    ada, customer = await a_customer(crm)
    keys = sorted([await park(crm, ada, fresh(), customer) for _ in range(2)])

    assert len(await list_parked(crm.urls.relay_url, ada.tenant, None, limit=1)) == 1
    assert await count_parked(crm.urls.relay_url, ada.tenant, None) == 4
    assert await parked_keys(crm.urls.relay_url, ada.tenant, None) == [(ada.tenant, key) for key in keys]


async def test_a_replay_with_a_mended_handler_applies_all_in_order(crm: RunningModule) -> None:
    """S6"""
    ada, customer = await a_customer(crm)
    key = await park(crm, ada, fresh(), customer)
    assert ada.tenant
    seen: list[str] = []

    async def note(_tx: object, event: Event) -> None:
        seen.append(event.type)

    class Mended(Event, type="invoice.overdue"):
        invoice_id: str

    class Paid(Event, type="invoice.paid"):
        invoice_id: str

    mended = {"invoice.overdue": Subscription(Mended, note), "invoice.paid": Subscription(Paid, note)}

    with pytest.raises(ValidationError):
        await replay(crm.database, crm.module.subscriptions, ada.tenant, key)
    assert await replay(crm.database, mended, ada.tenant, key) == 2

    assert seen == ["invoice.overdue", "invoice.paid"]
    assert await list_parked(crm.urls.relay_url, ada.tenant, key) == []
    (row,) = await crm.rows(ada.tenant, "select last_sequence, parked from kit.inbox_key where key = $1", key)
    assert row == {"last_sequence": 2, "parked": False}
    with pytest.raises(NothingParked):
        await replay(crm.database, mended, ada.tenant, key)


async def test_skipping_drops_one_event_and_keeps_a_note_of_it(crm: RunningModule) -> None:
    """S6"""
    ada, customer = await a_customer(crm)
    key = await park(crm, ada, fresh(), customer)
    assert ada.tenant

    await skip(crm.database, ada.tenant, key, "sent by a broken import")
    assert await replay(crm.database, crm.module.subscriptions, ada.tenant, key) == 1

    assert await list_parked(crm.urls.relay_url, ada.tenant, key) == []
