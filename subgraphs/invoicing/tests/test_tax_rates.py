"""Rates that module `tax` tells: lines of a draft take the rate of the day; without that module the default's holds."""

from typing import Any
from uuid import uuid5

import pytest

from tests.modules import until

pytestmark = pytest.mark.anyio


async def test_a_draft_takes_the_rate_of_today_that_tax_has_told(books: Any) -> None:
    """INV-3: a rate to come doesn't count yet, and a rate of before no more."""
    for number, (day, rate) in enumerate((("2020-01-01", "17"), ("2025-01-01", "9"), ("2999-01-01", "1")), start=1):
        await _told(books, number, day, rate)

    await until(_kept(books, 3))
    draft = await books.draft("100")

    assert [(float(one["ratePct"]), one["tax"]["amount"]) for one in draft["taxSummary"]] == [(9.0, "9.00")]


async def test_without_tax_the_default_rate_holds(books: Any) -> None:
    draft = await books.draft("100")

    assert draft["taxTotal"]["amount"] == "13.00"


async def _told(books: Any, number: int, day: str, rate: str) -> None:
    code = uuid5(books.tenant, "VAT13")
    data = {"taxCodeId": str(code), "taxCode": "VAT13", "ratePct": rate, "validFrom": day, "roundingRule": "PER_LINE"}
    await books.module.publish(books.tenant, "tax_rate.changed", "TaxRate", code, number, data)


def _kept(books: Any, count: int) -> Any:
    async def kept() -> bool:
        return len(await books.module.rows(books.tenant, "select 1 from known_tax_rate")) == count

    return kept
