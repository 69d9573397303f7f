"""Invoicing's rows and their rules (tier1.md, 3)."""

from subgraphs.invoicing.models.closing import DealClosing, is_billed, lock_closing
from subgraphs.invoicing.models.drafting import fill, lines_of, tax_default
from subgraphs.invoicing.models.invoice import OPEN_STATUSES, Invoice, InvoiceLine, InvoiceStatus, PaymentTerm
from subgraphs.invoicing.models.series import NumberSeries, NumberSeriesDocumentKind, lock_series
from subgraphs.invoicing.models.tax import TaxDefault, TaxRoundingRule

__all__ = [
    "OPEN_STATUSES",
    "DealClosing",
    "Invoice",
    "InvoiceLine",
    "InvoiceStatus",
    "NumberSeries",
    "NumberSeriesDocumentKind",
    "PaymentTerm",
    "TaxDefault",
    "TaxRoundingRule",
    "fill",
    "is_billed",
    "lines_of",
    "lock_closing",
    "lock_series",
    "tax_default",
]
