"""HR's demo data: people, their plans and leave; commissions come by themselves with the deals (demo.md)."""

from datetime import date, timedelta
from decimal import Decimal

from shared.demo import Demo, plants
from shared.values import Money
from subgraphs.hr.graph import commissions, leave, staff
from subgraphs.hr.models import CommissionTier, LeaveAccrual, LeaveRequestKind

# Label, name, department, job, mail: names and mails are those of identity's demo users; the salesperson is who CRM's
# demo deals name.
_PEOPLE = {
    "lumen": (
        ("owner", "Lin Yue 林悦", "management", "Owner 负责人", "owner"),
        ("salesperson", "Zhou Ran 周然", "sales", "Client work 客户经理", "member"),
        ("designer", "Tang Wei 唐薇", "studio", "Designer 设计师", "designer"),
    ),
    "harbour": (
        ("owner", "Grace Ho 何嘉慧", "management", "Managing director 总经理", "owner"),
        ("salesperson", "Mei Lam 林美", "sales", "Key accounts 大客户", "sales"),
        ("sales-manager", "Victor Tse 谢伟德", "sales", "Sales manager 销售经理", "sales-manager"),
        ("hr", "Joyce Kwan 关祖儿", "management", "HR 人事", "hr"),
        ("agent", "Amy Fong 方雅雯", "shops", "Customer service 客服", "agent"),
    ),
}
_DEPARTMENTS = {
    "management": "Management 管理",
    "sales": "Sales 销售",
    "studio": "Studio 工作室",
    "shops": "Shops 门店",
}
_FULL = {"harbour": 60}
_FIRST = ("Lin", "Omar", "Mia", "Xiao", "Ken", "Siu", "Anna", "Tao", "Wing", "Noor")
_LAST = ("Li 李", "Zhang 张", "Chan 陈", "Brandt", "Lau 刘", "Said", "Ng 吴", "Fung 冯")


@plants(order=10)
async def plant(demo: Demo) -> None:
    """Plant departments, people, leave with its balances, and the plan that the deals are rated by."""
    for label, name in _DEPARTMENTS.items():
        await demo.call(staff.open_department, label, demo.day(420), name=name)
    people = [person[0] for person in _PEOPLE.get(demo.slug, _PEOPLE["lumen"])]
    for person in _PEOPLE.get(demo.slug, _PEOPLE["lumen"]):
        await _hire(demo, *person, hired=400)
    for number in range(1, demo.count(_FULL.get(demo.slug, 0), least=4 if demo.slug in _FULL else 0) + 1):
        draw = demo.random("person", number)
        name = f"{draw.choice(_FIRST)} {draw.choice(_LAST)}"
        people.append(f"person-{number}")
        await _hire(
            demo,
            f"person-{number}",
            name,
            "shops",
            "Shop assistant 店员",
            f"person-{number}",
            hired=draw.randint(60, 390),
        )
    await _plan(demo)
    await _leave(demo, people)


async def _hire(demo: Demo, label: str, name: str, department: str, job: str, mail: str, *, hired: int) -> None:
    boss = None if label == "owner" else demo.id("hr", "owner", "Employee")
    await demo.call(
        staff.hire_employee,
        label,
        demo.day(hired),
        full_name=name,
        department_id=demo.id("hr", department, "Department"),
        hired_on=demo.day(hired).date(),
        job_title=job,
        work_email=f"{mail}@{demo.slug}.example",
        manager_id=boss,
    )


async def _plan(demo: Demo) -> None:
    """P1 of the stories: 5 % from 0, 8 % from 10,000 on, by the month, taken back within 90 days."""
    currency = await demo.base_currency()
    plan = await demo.call(
        commissions.define_commission_plan,
        "plan",
        demo.day(400),
        name="Standard 标准方案",
        tiers=(
            CommissionTier(from_amount=Decimal(0), rate_pct=Decimal(5)),
            CommissionTier(from_amount=Decimal(10_000), rate_pct=Decimal(8)),
        ),
        quota_amount=Money(Decimal(100_000), currency),
    )
    await demo.call(
        commissions.assign_commission_plan,
        "plan-salesperson",
        demo.day(400),
        employee_id=demo.id("hr", "salesperson", "Employee"),
        plan_id=plan.id,
        valid_from=demo.day(400).date(),
    )


async def _leave(demo: Demo, people: list[str]) -> None:
    await demo.call(
        leave.define_leave_policy,
        "annual",
        demo.day(400),
        kind=LeaveRequestKind.ANNUAL,
        days_per_year=Decimal(15),
        accrual=LeaveAccrual.MONTHLY,
        allow_negative_days=Decimal(3),
    )
    for back in range(6, 0, -1):
        month = _month(demo.as_of, back)
        at = demo.day((demo.as_of - month).days)
        await demo.write(lambda tx, month=month: leave.accrue_leave(tx, f"{month:%Y-%m}"), f"accrual-{month:%Y-%m}", at)
    for number, person in enumerate(people):
        await _request(demo, person, f"leave-{person}", demo.random("leave", person).randint(10, 120), number % 3)


async def _request(demo: Demo, person: str, label: str, ago: int, fate: int) -> None:
    """Ask for two or three days off; of three requests one is agreed, one refused, one waits."""
    starts_on = demo.day(ago).date()
    starts_on -= timedelta(days=starts_on.weekday())  # a Monday
    at = demo.day(ago + 20)
    request = await demo.call(
        leave.request_leave,
        label,
        at,
        starts_on=starts_on,
        ends_on=starts_on + timedelta(days=1 + ago % 2),
        employee_id=demo.id("hr", person, "Employee"),
    )
    if fate == 0:
        await demo.call(leave.approve_leave, f"{label}-agreed", at, finds=request.id, id=request.id)
    elif fate == 1:
        reason = "Stocktaking 盘点"
        await demo.call(leave.reject_leave, f"{label}-refused", at, finds=request.id, id=request.id, reason=reason)


def _month(as_of: date, back: int) -> date:
    """Return the first day of the month `back` months before."""
    months = as_of.year * 12 + as_of.month - 1 - back
    return date(months // 12, months % 12 + 1, 1)
