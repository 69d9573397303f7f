"""Net, tax and gross of lines add up, however they are rounded (INV-3)."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.values import Money
from subgraphs.invoicing.models.tax import TaxRoundingRule, tax_amounts

CENTS = st.integers(min_value=-1_000_000, max_value=1_000_000)


def cny(*amounts: str) -> list[Money]:
    return [Money(Decimal(amount), "CNY") for amount in amounts]


def test_tax_is_rounded_on_each_line_or_once_on_the_document() -> None:
    lines = cny("0.05", "0.05", "0.05")

    per_line = tax_amounts(lines, Decimal(13), TaxRoundingRule.PER_LINE, prices_include_tax=False)
    per_document = tax_amounts(lines, Decimal(13), TaxRoundingRule.PER_DOCUMENT, prices_include_tax=False)

    assert [line.tax.text for line in per_line] == ["0.01", "0.01", "0.01"]
    assert [line.tax.text for line in per_document] == ["0.01", "0.01", "0.00"]


def test_prices_that_include_tax_are_taken_apart() -> None:
    (line,) = tax_amounts(cny("113.00"), Decimal(13), TaxRoundingRule.PER_LINE, prices_include_tax=True)

    assert (line.net.text, line.tax.text) == ("100.00", "13.00")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(CENTS, min_size=1, max_size=20),
    st.sampled_from(["0", "8.1", "13", "19", "25.5"]),
    st.booleans(),
)
def test_a_documents_tax_is_rounded_once_and_spread_without_loss(cents: list[int], rate: str, included: bool) -> None:
    amounts = [Money(Decimal(one) / 100, "CNY") for one in cents]
    pct = Decimal(rate)
    factor = pct / (100 + pct) if included else pct / 100

    lines = tax_amounts(amounts, pct, TaxRoundingRule.PER_DOCUMENT, prices_include_tax=included)

    whole = Money.total((line.tax for line in lines), "CNY")
    assert whole == Money.total(amounts, "CNY").times(factor)
    for line, amount in zip(lines, amounts, strict=True):
        assert abs(line.tax.amount - amount.amount * factor) <= Decimal("0.01")
        assert line.tax == line.tax.rounded()
        assert line.net + line.tax == amount or not included
