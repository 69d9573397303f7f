"""The demo data of hr: made by commands, the same in every run, once (demo.md)."""

from datetime import date

import pytest

from shared.demo import plant
from tests.modules import Starter

pytestmark = pytest.mark.anyio


async def test_people_plans_and_leave_are_there_and_nothing_is_planted_twice(start_module: Starter) -> None:
    module = await start_module("hr")
    ada = await module.new_tenant(base_currency="HKD", time_zone="Asia/Hong_Kong")
    assert ada.tenant is not None

    for _ in range(2):
        await plant(module.module, module.database, ada.tenant, "harbour", date(2026, 6, 30), 0.02)

    people = await module.rows(ada.tenant, "select full_name, work_email from employee order by employee_number")
    assert len(people) == 9
    assert ("Mei Lam 林美", "sales@harbour.example") in [(row["full_name"], row["work_email"]) for row in people]
    requests = await module.rows(ada.tenant, "select distinct status from leave_request")
    assert {row["status"] for row in requests} == {"REQUESTED", "APPROVED", "REJECTED"}
    (plan,) = await module.rows(ada.tenant, "select currency from commission_plan")
    assert plan["currency"] == "HKD"
