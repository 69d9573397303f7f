"""Pages that a tenant lets call the API from a browser."""

from typing import Any

import pytest

from subgraphs.identity.tests.conftest import Company, Desk

pytestmark = pytest.mark.anyio


async def kept(desk: Desk, company: Company) -> list[str]:
    """Return what identity tells a gateway that asks."""
    answer = await desk.send("POST", "/auth/origins", {})
    return [
        page for one in answer.body["tenants"] if str(one["tenant_id"]) == str(company.id) for page in one["origins"]
    ]


async def allow(desk: Desk, company: Company, *pages: str, who: str = "owner") -> dict[str, Any]:
    """Name a tenant's pages."""
    return await desk.running.command(
        await desk.principal(company, who), "setAllowedOrigins", "tenant { allowedOrigins }", origins=list(pages)
    )


async def test_an_administrator_names_the_tenants_pages_and_gateways_are_told(desk: Desk) -> None:
    company, other = await desk.company(("admin", "Admin")), await desk.company()

    named = await allow(desk, company, "https://App.lumen.example/", "http://localhost:5173", who="admin")

    pages = ["https://app.lumen.example", "http://localhost:5173"]
    assert named["tenant"] == {"allowedOrigins": pages}
    assert await kept(desk, company) == pages
    assert await kept(desk, other) == []
    (event,) = await desk.running.outgoing(company.id, "access.origins.changed")
    assert event["data"] == {"tenantId": str(company.id), "origins": pages}


async def test_pages_are_taken_back(desk: Desk, company: Company) -> None:
    await allow(desk, company, "https://app.lumen.example")

    await allow(desk, company)

    assert await kept(desk, company) == []


@pytest.mark.parametrize(
    "page", ["*", "null", "https://*.example", "http://app.lumen.example", "https://a.example/path"]
)
async def test_what_is_no_page(desk: Desk, company: Company, page: str) -> None:
    refused = await allow(desk, company, page)

    assert [(error["code"], error["field"]) for error in refused["userErrors"]] == [("VALIDATION", ["origins"])]
    assert await kept(desk, company) == []


async def test_there_are_not_more_than_twenty(desk: Desk, company: Company) -> None:
    refused = await allow(desk, company, *(f"https://a{number}.example" for number in range(21)))

    assert [error["code"] for error in refused["userErrors"]] == ["VALIDATION"]


async def test_a_member_names_none(desk: Desk, company: Company) -> None:
    member = await desk.principal(company, "member")
    query = 'mutation { setAllowedOrigins(input: {origins: ["https://app.lumen.example"]}) { userErrors { code } } }'

    answer = await desk.running.execute(member, query)

    assert [error["extensions"]["code"] for error in answer.errors] == ["FORBIDDEN"]
    assert await kept(desk, company) == []
