"""Tax's types, queries and commands: thin, they call models.py."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select

from shared.commands.command import command
from shared.database.transaction import Transaction
from shared.graph.entity import card, entity, query
from shared.values import Part
from subgraphs.tax import models
from subgraphs.tax.models import Percent, TaxCodeKind, TaxRateRoundingRule


@entity(models.TaxCode, filters=("code", "kind", "active", "country_code"), sort=("code", "created_at"))
class TaxCode:
    """A kind of tax with its present rate."""


@entity(models.TaxRate, filters=("tax_code_id", "valid_from", "valid_to"), sort=("valid_from", "created_at"))
class TaxRate:
    """What a code amounts to, from a day to a day."""


class TaxDashboard(Part):
    """Tax at a glance."""

    codes_in_use: int
    rates_to_come: int


@card("tax.tax_code.read")
async def tax_card(tx: Transaction) -> TaxDashboard:
    """Codes in use, and rates that begin on a later day."""
    codes = select(func.count(models.TaxCode.id)).where(models.TaxCode.active)
    later = select(func.count(models.TaxRate.id)).where(models.TaxRate.valid_from > await tx.today())
    return TaxDashboard(
        codes_in_use=(await tx.session.execute(codes)).scalar_one(),
        rates_to_come=(await tx.session.execute(later)).scalar_one(),
    )


@query("tax.tax_rate.read")
async def tax_rate_on(tx: Transaction, code: str, day: date) -> models.TaxRate | None:
    """Return the rate of a code on a day."""
    statement = (
        select(models.TaxRate)
        .join(models.TaxCode, models.TaxCode.id == models.TaxRate.tax_code_id)
        .where(models.TaxCode.code == code, models.TaxRate.valid_from <= day)
        .order_by(models.TaxRate.valid_from.desc())
        .limit(1)
    )
    return await tx.find(statement)


@command("tax.tax_code.write", queueable="1h")
async def define_tax_code(
    tx: Transaction,
    code: str,
    rate_pct: Percent,
    kind: TaxCodeKind = TaxCodeKind.SALES,
    name: str | None = None,
    country_code: str | None = None,
    valid_from: date | None = None,
    rounding_rule: TaxRateRoundingRule = TaxRateRoundingRule.PER_LINE,
) -> models.TaxCode:
    """Make a tax code with its first rate, which holds from today on unless another day is named."""
    made = tx.add(models.TaxCode(code=code, name=name, country_code=country_code, kind=kind))
    await _change(tx, made, None, rate_pct, valid_from, rounding_rule)
    return made


@command("tax.tax_rate.write")
async def change_tax_rate(
    tx: Transaction,
    tax_code_id: UUID,
    rate_pct: Percent,
    valid_from: date | None = None,
    rounding_rule: TaxRateRoundingRule = TaxRateRoundingRule.PER_LINE,
) -> models.TaxCode:
    """Give a code another rate from a day on; rates of the past stay as they were."""
    code = await tx.get(models.TaxCode, tax_code_id)
    rates = select(models.TaxRate).where(models.TaxRate.tax_code_id == code.id)
    latest = await tx.find(rates.order_by(models.TaxRate.valid_from.desc()).limit(1))
    await _change(tx, code, latest, rate_pct, valid_from, rounding_rule)
    return code


async def _change(
    tx: Transaction,
    code: models.TaxCode,
    latest: models.TaxRate | None,
    rate_pct: Decimal,
    day: date | None,
    rule: TaxRateRoundingRule,
) -> None:
    rate, fact = code.rate_from(latest, rate_pct, day or await tx.today(), rule)
    tx.add(rate)
    tx.publish(fact)
