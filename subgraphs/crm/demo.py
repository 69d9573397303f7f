"""CRM's demo data: customers of two languages, a pipeline with something in every stage (demo.md)."""

import random
from decimal import Decimal

from shared.demo import Demo, plants
from shared.values import Address, Money
from subgraphs.crm import graph
from subgraphs.crm.models import CustomerKind, SalesActivityKind

_STEMS = {
    "CNY": (
        "Blue Harbor 蓝港",
        "Lantern 灯笼",
        "Jade River 玉河",
        "North Gate 北门",
        "Paper Crane 纸鹤",
        "Spring Tea 春茶",
    ),
    "HKD": (
        "Peak 山顶",
        "Star Pier 星码头",
        "Golden Junk 金帆",
        "Bamboo Steamer 竹蒸",
        "Typhoon 台风",
        "Red Tram 红电车",
    ),
}
_SUFFIXES = ("Studio 工作室", "Trading 贸易", "Foods 食品", "Media 传媒", "Interiors 家居", "’s & Sons 父子")
_PEOPLE = ("Lin Xiao 林晓", "Zhou Yi 周怡", "Grace Ho 何恩", "Omar Said عمر", "Mia Brandt", "Wu Jun 吴军")
_WORK = (
    "Website 网站",
    "Brand book 品牌手册",
    "Packaging 包装",
    "Shop fitting 店面",
    "Catalogue 目录",
    "Campaign 活动",
)
_COUNTRY = {"CNY": "CN", "HKD": "HK"}
_SIZES = {"lumen": (38, 9, 41, 22, 9.2, 0.7), "harbour": (4200, 40, 160, 90, 10.1, 0.8)}
_STAGES = ("new", "qualified", "proposal", "closing")


@plants(order=20)
async def plant(demo: Demo) -> None:
    """Plant customers, contacts, deals (open, won, lost) and the storyline: ACME and the deal that is ready to win."""
    customers, open_, won, lost, mu, sigma = _SIZES.get(demo.slug, _SIZES["lumen"])
    currency = await demo.base_currency()
    salesperson = demo.id("hr", "salesperson", "Employee")
    acme = await _customer(demo, "acme", "ACME 科技 / Acme Tech", currency, demo.random("acme"))
    await demo.call(
        graph.open_deal,
        "brand-refresh",
        demo.day(10),
        customer_id=acme,
        title="Brand refresh 品牌焕新",
        amount=Money(Decimal(24000), currency),
        salesperson_id=salesperson,
        expected_close_on=demo.as_of,
    )
    ids = [acme]
    for number in range(1, demo.count(customers, least=5) + 1):
        draw = demo.random("customer", number)
        ids.append(await _customer(demo, f"customer-{number}", _name(draw, currency), currency, draw))
    number = 0
    for status, full in (("open", open_), ("won", won), ("lost", lost)):
        for _ in range(demo.count(full, least=4)):
            number += 1
            await _deal(demo, number, status, ids, currency, (mu, sigma))


async def _customer(demo: Demo, label: str, name: str, currency: str, draw: random.Random) -> object:
    country = _COUNTRY.get(currency, "CN")
    street = f"Lantern Road 灯塔路 {draw.randint(1, 180)}"
    address = Address(
        line1=street, city="Shanghai" if country == "CN" else "Hong Kong", postcode="200000", country=country
    )
    customer = await demo.call(
        graph.register_customer,
        label,
        demo.day(draw.randint(200, 330)),
        name=name,
        kind=CustomerKind.COMPANY,
        currency=currency,
        email=f"{label}@customers.example",
        tax_number=f"TEST{draw.randint(10**8, 10**9)}",
        country_code=country,
        address=address,
    )
    person = draw.choice(_PEOPLE)
    await demo.call(
        graph.add_contact,
        f"{label}-contact",
        demo.day(draw.randint(150, 199)),
        customer_id=customer.id,
        full_name=person,
        email=f"{label}.contact@customers.example",
        phone=f"100 0000 {draw.randint(1000, 9999)}",
        consent_email=draw.random() < 0.6,
    )
    return customer.id


def _name(draw: random.Random, currency: str) -> str:
    return f"{draw.choice(_STEMS.get(currency, _STEMS['CNY']))} {draw.choice(_SUFFIXES)}"


async def _deal(
    demo: Demo, number: int, status: str, customers: list[object], currency: str, size: tuple[float, float]
) -> None:
    draw = demo.random("deal", number)
    opened = draw.randint(40, 190)
    # Few customers buy often, many rarely: Zipf with s = 1.1.
    customer = draw.choices(customers, weights=[1 / (rank + 1) ** 1.1 for rank in range(len(customers))])[0]
    label = f"deal-{number}"
    deal = await demo.call(
        graph.open_deal,
        label,
        demo.day(opened),
        customer_id=customer,
        title=f"{draw.choice(_WORK)} {number}",
        amount=Money(Decimal(round(draw.lognormvariate(*size), -1)), currency).rounded(),
        salesperson_id=demo.id("hr", "salesperson", "Employee"),
        expected_close_on=demo.day(opened - 60).date(),
    )
    closed = demo.day(max(1, opened - draw.randint(5, 35)))
    if status == "won":
        await demo.call(
            graph.close_deal_won, f"{label}-won", closed, finds=deal.id, deal_id=deal.id, closed_on=closed.date()
        )
    elif status == "lost":
        await demo.call(
            graph.close_deal_lost, f"{label}-lost", closed, finds=deal.id, deal_id=deal.id, reason="Too dear 价格过高"
        )
    else:
        stage = draw.choice(_STAGES)
        await demo.call(graph.move_deal_to_stage, f"{label}-moved", closed, finds=deal.id, deal_id=deal.id, stage=stage)
        await demo.call(
            graph.schedule_activity,
            f"{label}-call",
            closed,
            customer_id=customer,
            deal_id=deal.id,
            summary="Ring about the offer 回访报价",
            kind=SalesActivityKind.CALL,
            due_at=demo.day(draw.randint(0, 5)),
        )
