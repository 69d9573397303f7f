"""Invoicing's rows and their rules (tier1.md, 3)."""

from subgraphs.invoicing.models import booking
from subgraphs.invoicing.models.billing import draft_billable
from subgraphs.invoicing.models.closing import DealClosing, is_billed, lock_closing
from subgraphs.invoicing.models.credit_note import (
    CreditedLine,
    CreditNote,
    CreditNoteReason,
    CreditNoteStatus,
    lines_left,
)
from subgraphs.invoicing.models.drafting import fill, lines_of, tax_default
from subgraphs.invoicing.models.invoice import OPEN_STATUSES, Invoice, InvoiceLine, InvoiceStatus, PaymentTerm
from subgraphs.invoicing.models.payment import CustomerCredit, InvoicePayment, InvoicePaymentMethod, check_payment
from subgraphs.invoicing.models.refusals import PaymentCurrencyMismatch, SourceTaken
from subgraphs.invoicing.models.replicas import (
    ClosedPeriod,
    CustomerAlias,
    DayRate,
    merge,
    must_be_open,
    rate_on,
    split_pair,
    survivor_of,
)
from subgraphs.invoicing.models.series import NumberSeries, NumberSeriesDocumentKind, lock_series
from subgraphs.invoicing.models.tax import KnownTaxRate, TaxDefault, TaxRoundingRule

__all__ = [
    "OPEN_STATUSES",
    "ClosedPeriod",
    "CreditNote",
    "CreditNoteReason",
    "CreditNoteStatus",
    "CreditedLine",
    "CustomerAlias",
    "CustomerCredit",
    "DayRate",
    "DealClosing",
    "Invoice",
    "InvoiceLine",
    "InvoicePayment",
    "InvoicePaymentMethod",
    "InvoiceStatus",
    "KnownTaxRate",
    "NumberSeries",
    "NumberSeriesDocumentKind",
    "PaymentCurrencyMismatch",
    "PaymentTerm",
    "SourceTaken",
    "TaxDefault",
    "TaxRoundingRule",
    "booking",
    "check_payment",
    "draft_billable",
    "fill",
    "is_billed",
    "lines_left",
    "lines_of",
    "lock_closing",
    "lock_series",
    "merge",
    "must_be_open",
    "rate_on",
    "split_pair",
    "survivor_of",
    "tax_default",
]
