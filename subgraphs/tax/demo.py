"""Tax's demo data: the codes of where the tenant lives, one with a rate of the past."""

from decimal import Decimal

from shared.demo import Demo, plants
from subgraphs.tax import graph
from subgraphs.tax.models import TaxCodeKind

_CODES = {
    "CNY": (("VAT13", "VAT 增值税", "13"), ("VAT6", "VAT services 服务增值税", "6")),
    "HKD": (("NONE", "No sales tax 免税", "0"),),
}


@plants(order=15)
async def plant(demo: Demo) -> None:
    """Plant the codes a year before the story's end."""
    for code, name, rate in _CODES.get(await demo.base_currency(), ()):
        start = demo.day(360)
        await demo.call(
            graph.define_tax_code,
            code.lower(),
            start,
            code=code,
            name=name,
            kind=TaxCodeKind.SALES,
            rate_pct=Decimal(rate),
            valid_from=start.date(),
        )
