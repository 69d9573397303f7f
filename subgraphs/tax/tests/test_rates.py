"""Tax's rules: one rate a day, the past stays, others hear of each change."""

import pytest

from tests.modules import RunningModule, Starter, until

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="session")
async def tax(start_module: Starter) -> RunningModule:
    return await start_module("tax")


async def test_a_code_has_the_rate_of_the_day_and_each_change_is_told(tax: RunningModule) -> None:
    ada = await tax.new_tenant()
    made = await tax.command(ada, "defineTaxCode", "taxCode { id }", code="VAT", ratePct="13", validFrom="2026-01-01")
    code = made["taxCode"]["id"]

    changed = await tax.command(
        ada, "changeTaxRate", "taxCode { currentRatePct }", taxCodeId=code, ratePct="9", validFrom="2026-07-01"
    )

    assert changed["taxCode"]["currentRatePct"] == "9"
    query = 'query($day: Date!) { taxRateOn(code: "VAT", day: $day) { ratePct validTo } }'
    rates = {day: (await tax.execute(ada, query, day=day)).data["taxRateOn"] for day in ("2026-06-30", "2026-07-01")}
    assert [float(rate["ratePct"]) for rate in rates.values()] == [13.0, 9.0]
    assert rates["2026-06-30"]["validTo"] == "2026-06-30"

    async def both_told() -> bool:
        return len(await tax.outgoing(ada.tenant, "tax_rate.changed")) == 2

    await until(both_told)


async def test_a_rate_of_the_past_is_not_changed(tax: RunningModule) -> None:
    ada = await tax.new_tenant()
    made = await tax.command(ada, "defineTaxCode", "taxCode { id }", code="VAT", ratePct="13", validFrom="2026-07-01")

    refused = await tax.command(
        ada, "changeTaxRate", "taxCode { id }", taxCodeId=made["taxCode"]["id"], ratePct="9", validFrom="2026-07-01"
    )

    assert [error["code"] for error in refused["userErrors"]] == ["RATE_NOT_LATER"]
    assert refused["userErrors"][0]["field"] == ["validFrom"]


async def test_a_code_is_there_once(tax: RunningModule) -> None:
    ada = await tax.new_tenant()
    await tax.command(ada, "defineTaxCode", "taxCode { id }", code="VAT", ratePct="13")

    refused = await tax.command(ada, "defineTaxCode", "taxCode { id }", code="VAT", ratePct="9")

    assert [error["code"] for error in refused["userErrors"]] == ["VALIDATION"]


async def test_refusals_are_told_in_the_callers_language(tax: RunningModule) -> None:
    lin = await tax.new_tenant(locale="zh-CN")
    made = await tax.command(lin, "defineTaxCode", "taxCode { id }", code="VAT", ratePct="13", validFrom="2026-07-01")
    change = {"taxCodeId": made["taxCode"]["id"], "ratePct": "9", "validFrom": "2026-06-01"}

    refused = await tax.command(lin, "changeTaxRate", "taxCode { id }", **change)
    wrong = await tax.command(lin, "changeTaxRate", "taxCode { id }", **{**change, "ratePct": "101"})
    again = await tax.command(lin, "changeTaxRate", "taxCode { id }", **{**change, "taxCodeId": str(lin.tenant)})

    (error,) = refused["userErrors"]
    assert error["code"] == "RATE_NOT_LATER"
    assert error["message"] == "VAT 的最新税率自 2026-07-01 起：请选择更晚的日期。"
    assert wrong["userErrors"][0]["message"] == "ratePct：须小于或等于 100。"
    assert again["userErrors"][0]["message"] == f"没有 id 为 {lin.tenant} 的 TaxCode。"
