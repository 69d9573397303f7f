"""Why an invoice command is refused (tier1.md, 3, "Commands")."""

from datetime import date
from uuid import UUID

from shared.errors import Refusal
from shared.language import Phrase
from shared.values import Money


class NotDraft(Refusal):
    """Only a draft can be changed (INV-2)."""

    code = "NOT_DRAFT"

    def __init__(self, number: str | None, status: str) -> None:
        """Name the invoice and its state."""
        super().__init__(
            "The invoice {number} is {state}: only a draft can be changed.",
            status=status,
            number=number or "",
            state=Phrase(status.lower()),
        )


class NoLines(Refusal):
    """An invoice without lines says nothing."""

    code = "NO_LINES"

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("The draft has no lines: add one before you issue it.")


class BillToRequired(Refusal):
    """An invoice is addressed to somebody."""

    code = "BILL_TO_REQUIRED"

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("The draft is addressed to nobody: revise it and say who it is for.")


class TaxCodeRequired(Refusal):
    """A line says under which rate it is taxed, even where that is 0 %."""

    code = "TAX_CODE_REQUIRED"

    def __init__(self, description: str) -> None:
        """Name the line."""
        super().__init__(
            "The line {description!r} has no tax code: name one, or set the default tax.", description=description
        )


class RateMissing(Refusal):
    """A document in foreign currency needs the rate of its date (INV-9)."""

    code = "RATE_MISSING"

    def __init__(self, currency: str, base: str, on: date) -> None:
        """Name the pair and the day."""
        super().__init__(
            "There is no exchange rate from {currency} to {base} for {on} or before: enter one first.",
            currency=currency,
            base=base,
            on=on,
        )


class OverPayment(Refusal):
    """More than the balance can't be paid by hand (INV-4)."""

    code = "OVERPAYMENT"

    def __init__(self, amount: Money, balance: Money) -> None:
        """Name both amounts."""
        super().__init__("{amount} is more than the open balance of {balance}.", amount=amount, balance=balance)


class PaymentCurrencyMismatch(Refusal):
    """A payment is in the invoice's currency."""

    code = "CURRENCY_MISMATCH"

    def __init__(self, sent: str, currency: str) -> None:
        """Name both currencies."""
        super().__init__(
            "The invoice is in {currency}, the payment in {sent}: enter what arrived in {currency}.",
            currency=currency,
            sent=sent,
        )


class HasPayments(Refusal):
    """Money or credit stands against the invoice (INV-6)."""

    code = "HAS_PAYMENTS"

    def __init__(self, number: str | None) -> None:
        """Name the invoice and the way out."""
        super().__init__(
            "The invoice {number} has payments or credit notes: issue a credit note instead.", number=number
        )


class PeriodClosed(Refusal):
    """The books of that day are closed (INV-6)."""

    code = "PERIOD_CLOSED"

    def __init__(self, on: date) -> None:
        """Name the day."""
        super().__init__(
            "The fiscal period of {on} is closed: issue a credit note instead, or reopen the period.", on=on
        )


class ExceedsInvoice(Refusal):
    """No more is credited than was invoiced, in all and on each line (INV-7)."""

    code = "EXCEEDS_INVOICE"

    def __init__(self, what: str, asked: object, left: object) -> None:
        """Name what is exceeded."""
        super().__init__(
            "{what}: {asked} is more than the {left} that is left to credit.", what=what, asked=asked, left=left
        )


class SourceTaken(Refusal):
    """One source yields one live invoice (INV-8)."""

    code = "SOURCE_TAKEN"
    field = ("sourceKey",)

    def __init__(self, source_key: str, invoice_id: UUID) -> None:
        """Name the source and its invoice."""
        super().__init__(
            "{source_key} is invoiced already, by {invoice_id}.", source_key=source_key, invoice_id=invoice_id
        )
