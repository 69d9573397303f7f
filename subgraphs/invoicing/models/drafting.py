"""Drafts: lines with the tenant's tax, prices, totals (INV-3)."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from shared.database.transaction import Transaction
from shared.errors import Invalid
from shared.values import Money
from subgraphs.invoicing.events import DocumentLine
from subgraphs.invoicing.models.invoice import Invoice, InvoiceLine
from subgraphs.invoicing.models.tax import SUGGESTED_TAX, TaxDefault, tax_rates_on

# What a line holds; a deal's line may be longer and finer, and is drafted all the same.
_LONGEST = 500
_PLACES = 10


async def tax_default(tx: Transaction) -> TaxDefault | None:
    """Return the tenant's default tax; made of what its base currency suggests, None where that suggests nothing."""
    found = await tx.first_where(TaxDefault)
    if found is None and (suggested := SUGGESTED_TAX.get((await tx.tenant()).base_currency)):
        code, rate = suggested
        found = await tx.ensure(TaxDefault(code=code, rate_pct=rate))
    return found


async def lines_of(tx: Transaction, invoice_id: UUID) -> Sequence[InvoiceLine]:
    """Return an invoice's lines in their order."""
    return await tx.all(select(InvoiceLine).where(InvoiceLine.invoice_id == invoice_id).order_by(InvoiceLine.position))


async def fill(tx: Transaction, invoice: Invoice, lines: Sequence[DocumentLine]) -> None:
    """Give a draft its lines, taxed at the tenant's default code unless they say otherwise, and its totals.

    A code that module `tax` has told of has its rate of today, else the default's own.

    Raises Invalid for a line in another currency than the invoice.
    """
    tax = await tax_default(tx)
    rates = await tax_rates_on(tx, await tx.today())
    if tax is not None:
        invoice.rounding_rule = (rates.get(tax.code) or tax).rounding_rule
    rows: list[InvoiceLine] = []
    for position, line in enumerate(lines, start=1):
        if line.unit_price.currency != invoice.currency:
            raise Invalid(
                "The invoice is in {currency}, line {position} in {line_currency}.",
                "lines",
                currency=invoice.currency,
                position=position,
                line_currency=line.unit_price.currency,
            )
        named = line.tax_code is not None or line.tax_rate_pct is not None
        code = line.tax_code if named or tax is None else tax.code
        told = rates.get(code) if code and line.tax_rate_pct is None else None
        own = line.tax_rate_pct if named or tax is None else tax.rate_pct
        rows.append(
            tx.add(
                InvoiceLine(
                    invoice_id=invoice.id,
                    position=position,
                    line_key=line.line_key,
                    description=line.description[:_LONGEST] or "–",
                    product_id=line.product_id,
                    quantity=round(line.quantity, _PLACES),
                    unit_price=line.unit_price,
                    discount_pct=line.discount_pct,
                    tax_code_id=told.tax_code_id if told else None,
                    tax_code=code,
                    tax_rate_pct=told.rate_pct if told else own,
                    net_amount=Money.zero(invoice.currency),
                    tax_amount=Money.zero(invoice.currency),
                )
            )
        )
    invoice.price(rows)
