"""Tax: the tenant's own rate, and the arithmetic of lines, rates and rounding (INV-3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import Index, select
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.database.transaction import Transaction
from shared.values import HUNDRED, Money, Ref, minor_units


class TaxRoundingRule(StrEnum):
    """Where tax is rounded: on each line, or once a rate on the whole document."""

    PER_LINE = "PER_LINE"
    PER_DOCUMENT = "PER_DOCUMENT"


# What a tenant most likely needs, by its base currency. A currency whose countries differ is not guessed at: invoices
# can't be issued then before someone says which rate holds (TAX_CODE_REQUIRED).
SUGGESTED_TAX = {
    "CNY": ("VAT13", Decimal(13)),
    "HKD": ("NONE", Decimal(0)),
    "MOP": ("NONE", Decimal(0)),
    "JPY": ("JCT10", Decimal(10)),
    "KRW": ("VAT10", Decimal(10)),
    "SGD": ("GST9", Decimal(9)),
    "GBP": ("VAT20", Decimal(20)),
    "CHF": ("VAT8.1", Decimal("8.1")),
}


class TaxDefault(Entity):
    """The one rate a tenant's lines have unless they name another; it stands in for module `tax`."""

    __table_args__ = (Index("uq_tax_default", "tenant_id", unique=True),)

    code: Mapped[Annotated[str, Field(min_length=1, max_length=20)]]
    rate_pct: Mapped[Annotated[Decimal, Field(ge=0, le=100)]]
    rounding_rule: Mapped[TaxRoundingRule] = default(TaxRoundingRule.PER_LINE)


class KnownTaxRate(Entity):
    """A rate as module `tax` tells it, from a day on; without that module there are none, and TaxDefault's rate holds."""

    __unique__ = (("tax_code_id", "valid_from"),)

    tax_code_id: Mapped[Annotated[UUID, Ref("tax.TaxCode")]]
    code: Mapped[str]
    rate_pct: Mapped[Annotated[Decimal, Field(ge=0, le=100)]]
    valid_from: Mapped[date]
    rounding_rule: Mapped[TaxRoundingRule]


async def tax_rates_on(tx: Transaction, day: date) -> dict[str, KnownTaxRate]:
    """Return by code the rate that holds on a day."""
    known = select(KnownTaxRate).where(KnownTaxRate.valid_from <= day).order_by(KnownTaxRate.valid_from)
    return {rate.code: rate for rate in await tx.all(known)}


@dataclass(frozen=True, slots=True)
class TaxedAmount:
    """A line's net and tax."""

    net: Money
    tax: Money


def tax_amounts(
    amounts: Sequence[Money], rate_pct: Decimal, rule: TaxRoundingRule, *, prices_include_tax: bool
) -> list[TaxedAmount]:
    """Return net and tax of lines of one rate (INV-3).

    `amounts` are rounded line nets, or line grosses where prices include tax. PER_DOCUMENT rounds the sum once and
    spreads it over the lines by largest remainder.
    """
    if not amounts:
        return []
    currency = amounts[0].currency
    factor = rate_pct / (HUNDRED + rate_pct) if prices_include_tax else rate_pct / HUNDRED
    if rule is TaxRoundingRule.PER_LINE:
        taxes = [amount.times(factor) for amount in amounts]
    else:
        taxes = spread(Money.total(amounts, currency).times(factor), [amount.amount * factor for amount in amounts])
    return [
        TaxedAmount(amount - tax if prices_include_tax else amount, tax)
        for amount, tax in zip(amounts, taxes, strict=True)
    ]


def spread(total: Money, exact: Sequence[Decimal]) -> list[Money]:
    """Return `total` split into shares near `exact`, none off by a whole minor unit: largest remainder first.

    `exact` adds up to `total` before rounding.
    """
    step = Decimal(1).scaleb(-minor_units(total.currency))
    floors = [share.quantize(step, rounding=ROUND_FLOOR) for share in exact]
    missing = int((total.amount - sum(floors)) / step)
    by_remainder = sorted(range(len(exact)), key=lambda at: (floors[at] - exact[at], at))
    raised = set(by_remainder[:missing])
    return [Money(floor + step if at in raised else floor, total.currency) for at, floor in enumerate(floors)]
