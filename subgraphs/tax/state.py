"""What Tax tells of its rows to modules that came after their events."""

from collections.abc import Sequence

from sqlalchemy import select

from shared.database.transaction import Transaction
from shared.events.state import state_of
from subgraphs.tax.events import TaxRateChanged
from subgraphs.tax.models import TaxCode, TaxRate


@state_of(TaxCode, TaxRateChanged)
async def tell_rates(tx: Transaction, rows: Sequence[TaxCode]) -> list[TaxRateChanged]:
    """All rates that the codes have, and had."""
    codes = {code.id: code.code for code in rows}
    is_whole = TaxRate.rate_pct.is_not(None), TaxRate.valid_from.is_not(None)
    rates = select(TaxRate).where(TaxRate.tax_code_id.in_(codes), *is_whole).order_by(TaxRate.valid_from)
    return [
        TaxRateChanged.of(rate, tax_code_id=rate.tax_code_id, tax_code=codes[rate.tax_code_id])
        for rate in await tx.all(rates)
    ]
