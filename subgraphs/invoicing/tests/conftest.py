"""A tenant's books: invoices made, issued, paid and credited by commands."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest

from shared.wire.principal import Principal
from tests.modules import RunningModule, Starter, until

INVOICE = """invoice { id number status issueDate dueDate netTotal { amount } taxTotal { amount } grossTotal { amount }
    balance { amount currency } lines { id netAmount { amount } taxAmount { amount } } taxSummary { ratePct base { amount } tax { amount } } }"""


@dataclass
class Books:
    """One tenant of the running module."""

    module: RunningModule
    ada: Principal

    @property
    def tenant(self) -> UUID:
        """The tenant's id."""
        assert self.ada.tenant is not None
        return self.ada.tenant

    def customer(self, label: str = "acme") -> str:
        """Return a customer's id."""
        return str(uuid5(self.tenant, label))

    def day(self, after: int = 0) -> str:
        """Return today's date, or another so many days after it: what was issued lately is not due yet."""
        return (self.module.database.clock.now().date() + timedelta(days=after)).isoformat()

    async def command(self, name: str, selection: str = INVOICE, /, **arguments: Any) -> Any:
        """Call a command; return its payload."""
        return await self.module.command(self.ada, name, selection, **arguments)

    async def ask(self, query: str, **variables: Any) -> Any:
        """Execute a query; return its data."""
        answer = await self.module.execute(self.ada, query, **variables)
        assert not answer.errors, answer.errors
        return answer.data

    async def draft(self, amount: str = "24000", **more: Any) -> Any:
        """Draft an invoice of one line to ACME; return it."""
        lines = [{"description": "Work", "unitPrice": {"amount": amount, "currency": "CNY"}}]
        arguments = {"currency": "CNY", "lines": lines, "customerId": self.customer(), "billTo": {"name": "ACME 科技"}}
        return (await self.command("draftInvoice", **{**arguments, **more}))["invoice"]

    async def issued(self, amount: str = "24000", on: str = "2026-03-12", **more: Any) -> Any:
        """Draft and issue an invoice; return it."""
        draft = await self.draft(amount, **more)
        payload = await self.command("issueInvoice", id=draft["id"], issueDate=on)
        assert payload["userErrors"] == []
        return payload["invoice"]

    async def pay(self, invoice: Any, amount: str, on: str = "2026-03-20", currency: str = "CNY") -> Any:
        """Record a payment; return the payload."""
        selection = "invoicePayment { id reversed amount { amount } invoice { status balance { amount } } }"
        money = {"amount": amount, "currency": currency}
        return await self.command("recordInvoicePayment", selection, id=invoice["id"], amount=money, receivedOn=on)

    async def row(self, invoice: Any) -> dict[str, Any]:
        """Return an invoice's row."""
        (row,) = await self.module.rows(self.tenant, "select * from invoice where id = $1", UUID(invoice["id"]))
        return row

    async def told(self, event_type: str) -> list[dict[str, Any]]:
        """Return the payloads of an event that went out, once there is one."""
        found: list[dict[str, Any]] = []

        async def out() -> bool:
            found[:] = await self.module.outgoing(self.tenant, event_type)
            return bool(found)

        await until(out)
        return [envelope["data"] for envelope in found]

    async def hear(self, event_type: str, aggregate: str, subject: str, sequence: int, data: dict[str, Any]) -> None:
        """Let the module hear another's event, and wait until it has."""
        await self.module.publish(self.tenant, event_type, aggregate, UUID(subject), sequence, data)

        async def applied() -> bool:
            statement = "select last_sequence from kit.inbox_key where key = $1 and not parked"
            rows = await self.module.rows(self.tenant, statement, f"{aggregate}/{subject}")
            return bool(rows) and rows[0]["last_sequence"] >= sequence

        await until(applied)


@pytest.fixture
async def books(start_module: Starter) -> Books:
    """A new tenant's books, base CNY, VAT13."""
    module = await start_module("invoicing")
    return Books(module, await module.new_tenant())
