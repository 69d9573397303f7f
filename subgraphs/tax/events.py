"""The facts Tax publishes (tier1.md, 18)."""

from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import UUID

from shared.wire.envelope import Event


class TaxRateChanged(Event, type="tax_rate.changed", aggregate="TaxRate", key="tax_code_id"):
    """From a day on a tax code has another rate; told also for the code's first one."""

    tax_code_id: UUID
    tax_code: str
    rate_pct: Decimal
    valid_from: date
    rounding_rule: Literal["PER_LINE", "PER_DOCUMENT"]
