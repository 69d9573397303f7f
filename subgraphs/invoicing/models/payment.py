"""Money against invoices, and what customers have to their credit (INV-4, INV-13, INV-14, INV-17)."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import IllegalState, Invalid
from shared.language import Phrase
from shared.values import Money, Ref
from subgraphs.invoicing.events import InvoicePaymentRecorded
from subgraphs.invoicing.models.invoice import Invoice, InvoiceStatus
from subgraphs.invoicing.models.refusals import OverPayment, PaymentCurrencyMismatch


class InvoicePaymentMethod(StrEnum):
    """How money came, or that none will."""

    BANK = "BANK"
    CARD = "CARD"
    CASH = "CASH"
    WALLET = "WALLET"
    WRITE_OFF = "WRITE_OFF"


class InvoicePayment(Entity):
    """One receipt for an invoice; a negative one takes an earlier one back."""

    __indexes__ = (("received_on",),)

    reference: Mapped[Annotated[str, Field(min_length=1, max_length=200)]]
    invoice_id: Mapped[Annotated[UUID, Ref("Invoice", reverse="payments")]]
    amount: Mapped[Money]
    received_on: Mapped[date]
    exchange_rate: Mapped[Decimal]
    payment_id: Mapped[Annotated[UUID | None, Ref("payments.Payment")]] = default(None)
    method: Mapped[InvoicePaymentMethod] = default(InvoicePaymentMethod.BANK)
    reversed: Mapped[bool] = default(False)
    reverses_id: Mapped[Annotated[UUID | None, Ref("InvoicePayment", reverse="")]] = default(None)
    from_credit: Mapped[bool] = default(False)

    def recorded(self, invoice: Invoice) -> InvoicePaymentRecorded:
        """Return the fact, with what is open of the invoice now."""
        assert invoice.exchange_rate is not None
        return InvoicePaymentRecorded.of(
            self, customer_id=invoice.customer_id, invoice_rate=invoice.exchange_rate, balance=invoice.balance
        )

    def opposite(self, on: date, reason: str) -> "InvoicePayment":
        """Return the row that takes this one back, and mark this one as reversed. INV-14. Raises IllegalState."""
        if self.reversed or self.reverses_id is not None:
            raise IllegalState("The payment {reference!r} is taken back already.", reference=self.reference)
        self.reversed = True
        return InvoicePayment(
            reference=reason,
            invoice_id=self.invoice_id,
            payment_id=self.payment_id,
            method=self.method,
            amount=-self.amount,
            received_on=on,
            exchange_rate=self.exchange_rate,
            reverses_id=self.id,
            from_credit=self.from_credit,
        )


class CustomerCredit(Entity):
    """What a customer has paid or been credited beyond what was owed, until it is used or paid out (INV-13)."""

    __unique__ = (("source_key",),)
    __indexes__ = (("account_customer_id",), ("invoice_id",))

    source_key: Mapped[str]
    amount: Mapped[Money]
    remaining: Mapped[Money]
    account_customer_id: Mapped[UUID | None] = default(None)
    invoice_id: Mapped[Annotated[UUID | None, Ref("Invoice", reverse="")]] = default(None)
    credit_note_id: Mapped[Annotated[UUID | None, Ref("CreditNote", reverse="")]] = default(None)

    def take(self, wanted: Money) -> Money:
        """Use up to `wanted` of what is left and return how much that was."""
        taken = min(self.remaining, wanted, key=lambda money: money.amount)
        self.remaining = self.remaining - taken
        return taken


def check_payment(invoice: Invoice, amount: Money) -> None:
    """Check a payment entered by hand (INV-4). Raises IllegalState, CurrencyMismatch, Invalid, OverPayment."""
    if not invoice.is_open:
        state = (
            Phrase("a draft: issue it first")
            if invoice.status is InvoiceStatus.DRAFT
            else Phrase("{status} already", status=Phrase(invoice.status.lower()))
        )
        raise IllegalState("The invoice {invoice_number} is {state}.", invoice_number=invoice.number or "", state=state)
    if amount.currency != invoice.currency:
        raise PaymentCurrencyMismatch(amount.currency, invoice.currency)
    if amount.amount <= 0 or amount != amount.rounded():
        raise Invalid("A payment is above zero, in whole minor units.", "amount")
    if amount.amount > invoice.balance.amount:
        raise OverPayment(amount, invoice.balance)
