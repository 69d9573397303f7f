"""Tax codes and their rates; a code has one rate on each day, from its first one on."""

from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import IllegalState, Refusal
from shared.values import Ref, Searchable
from subgraphs.tax.events import TaxRateChanged

Percent = Annotated[Decimal, Field(ge=0, le=100)]


class TaxCodeKind(StrEnum):
    """What a code is for."""

    SALES = "SALES"
    PURCHASE = "PURCHASE"
    WITHHOLDING = "WITHHOLDING"
    EXEMPT = "EXEMPT"
    REVERSE_CHARGE = "REVERSE_CHARGE"


class TaxRateRoundingRule(StrEnum):
    """Where tax is rounded: on each line, or once a rate on the whole document."""

    PER_LINE = "PER_LINE"
    PER_DOCUMENT = "PER_DOCUMENT"


class RateNotLater(Refusal):
    """Rates of the past stay as they are: documents were written by them."""

    code = "RATE_NOT_LATER"
    field = ("validFrom",)

    def __init__(self, code: str, since: date) -> None:
        """Name the code and the day its latest rate began."""
        super().__init__("{code} has its latest rate since {since}: choose a later day.", since=since, code=code)


class TaxCode(Entity):
    """A kind of tax with its present rate."""

    __unique__ = (("code",),)

    code: Mapped[Annotated[str, Field(min_length=1, max_length=20), Searchable()]]
    name: Mapped[Annotated[str | None, Field(max_length=200)]] = default(None)
    country_code: Mapped[Annotated[str | None, Field(pattern="^[A-Z]{2}$")]] = default(None)
    kind: Mapped[TaxCodeKind] = default(TaxCodeKind.SALES)
    current_rate_pct: Mapped[Percent | None] = default(None)
    active: Mapped[bool] = default(True)

    def rate_from(
        self, latest: "TaxRate | None", rate_pct: Decimal, day: date, rule: TaxRateRoundingRule
    ) -> tuple["TaxRate", TaxRateChanged]:
        """Return the rate that holds from `day` on, ending the `latest` one, and the fact.

        Raises IllegalState for a code that is not in use, RateNotLater for a day that is taken.
        """
        if not self.active:
            raise IllegalState("The tax code {code} is not in use.", code=self.code)
        if latest is not None:
            if latest.valid_from is not None and day <= latest.valid_from:
                raise RateNotLater(self.code, latest.valid_from)
            latest.valid_to = day - timedelta(days=1)
        rate = TaxRate(
            label=f"{self.code} {rate_pct.normalize():f} %",
            tax_code_id=self.id,
            rate_pct=rate_pct,
            valid_from=day,
            rounding_rule=rule,
        )
        self.current_rate_pct = rate_pct
        return rate, TaxRateChanged.of(rate, tax_code_id=self.id, tax_code=self.code)


class TaxRate(Entity):
    """What a code amounts to, from a day to a day."""

    __unique__ = (("tax_code_id", "valid_from"),)

    label: Mapped[Annotated[str, Field(min_length=1, max_length=100)]]
    tax_code_id: Mapped[Annotated[UUID, Ref("TaxCode", reverse="rates")]]
    rate_pct: Mapped[Percent | None] = default(None)
    valid_from: Mapped[date | None] = default(None)
    valid_to: Mapped[date | None] = default(None)
    rounding_rule: Mapped[TaxRateRoundingRule] = default(TaxRateRoundingRule.PER_LINE)
