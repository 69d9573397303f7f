"""A newcomer queries: GraphiQL in a real browser (issue 8). No request of it leaves the machine."""

import json
from collections.abc import Iterator

import pytest

from tests.browser import Page, browser, chromium
from tests.stories.graphiql import RESULT, ask, open_panel, plan, result, run, sign_in, stored, switch
from tests.stories.test_queued_commands import away
from tests.stories.world import F0, World, fresh_id

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium here: apt-get install chromium")

_FIRST_EXAMPLE = """module => {
    const group = [...document.querySelectorAll('.panel details')].find(one => one.querySelector('summary').textContent === module);
    group.querySelector('button').click();
    return group.querySelector('button').textContent;
}"""


@pytest.fixture
def page(world: World) -> Iterator[Page]:
    """A browser. Whatever a walk did: it asked nobody but us, and nothing broke the page's own policy."""
    with browser() as page:
        yield page
    ours = (origin(world), "data:", "blob:")
    assert [url for url in page.requests if not url.startswith(ours)] == []
    assert page.errors == []


def origin(world: World) -> str:
    return f"http://127.0.0.1:{world.platform.port}"


def login(world: World, slug: str, role: str) -> tuple[str, str]:
    """Return e-mail and password of a demo person."""
    lines = (line.split("\t") for line in world.platform.run("demo", "logins").stdout.splitlines())
    return next((email, password) for email, password, tenant, is_a in lines if (tenant, is_a) == (slug, role))


def test_a_newcomer_signs_in_runs_the_dashboard_query_and_sees_its_plan(world: World, page: Page) -> None:
    sign_in(page, origin(world), *login(world, "lumen", "Owner"))

    open_panel(page, "Examples")
    page.until("[...document.querySelectorAll('.panel summary')].map(one => one.textContent).includes('crm')")
    page.click(".panel .example")
    run(page, "Dashboard")
    result(page, "dashboard")
    open_panel(page, "Plan of the last operation")

    assert {"crm", "identity", "invoicing"} <= set(plan(page))
    assert "eyJ" not in stored(page), "a token is kept in the browser"


def test_every_module_has_examples_that_the_schema_accepts(world: World, page: Page) -> None:
    sign_in(page, origin(world), *login(world, "lumen", "Owner"))
    open_panel(page, "Examples")

    modules = page.until(
        "(found => found.length > 2 && found)"
        "([...document.querySelectorAll('.panel summary')].map(one => one.textContent))"
    )
    assert {"crm", "hr", "identity", "invoicing", "notifications", "projects", "support", "tax"} <= set(modules)
    for module in sorted(set(modules) - {"all modules", "gateway"}):
        name = page.evaluate(f"({_FIRST_EXAMPLE})({json.dumps(module)})")
        run(page, name[0].upper() + name[1:])
        assert "errors" not in result(page, f'"{name}": {{'), module


def test_a_subscription_shows_a_queued_command_come_to_its_end(lumen: F0, page: Page) -> None:
    """By server-sent events through the gateway: the receipt of a command whose module is away, and then is back."""
    sign_in(page, origin(lumen.world), *login(lumen.world, "lumen", "Owner"))
    deal = lumen.open_deal()

    with away(lumen):
        queued = lumen.win(deal, idempotencyKey=fresh_id())["receipt"]["id"]
        ask(page, f'subscription Settled {{ receiptChanged(id: "{queued}") {{ status module }} }}')
        result(page, "QUEUED")

    result(page, "DONE")
    open_panel(page, "Plan of the last operation")
    assert plan(page) == ["gateway"]


def test_history_and_explorer_are_there(world: World, page: Page) -> None:
    sign_in(page, origin(world), *login(world, "lumen", "Owner"))
    ask(page, "query Kept { tenants(first: 1) { nodes { name } } }")
    result(page, "Lumen")

    open_panel(page, "History")
    page.until("document.querySelector('.graphiql-history')?.innerText.includes('Kept')")
    open_panel(page, "GraphiQL Explorer")
    page.until("document.querySelector('.graphiql-plugin')?.innerText.includes('customers')")


def test_a_person_of_two_tenants_switches_and_sees_the_other_ones_rows(harbour: F0, page: Page) -> None:
    world = harbour.world
    email, password = login(world, "lumen", "Member")
    roles = harbour.rows("identity", "select id from access_role where name = 'Viewer'")
    harbour.do("inviteUser", "userAccount { id }", email=email, roleId=str(roles[0]["id"]))
    letter = "select token from sign_in.letter where email = $1 order by created_at desc limit 1"
    token = world.rows("identity", None, letter, email, role="login")[0]["token"]
    status, _ = world.platform.request("POST", "/auth/invitation", {"token": token, "password": password})
    assert status == 200
    sign_in(page, origin(world), email, password)

    switch(page, "Lumen Studio 流明设计")
    ask(page, "query Lumen { tenants(first: 1) { nodes { slugName } } }")
    result(page, '"lumen"')
    switch(page, "Harbour & Co. 海港百货")
    page.until(f"!({RESULT}).includes('lumen')")
    ask(page, "query Harbour { tenants(first: 1) { nodes { slugName } } }")
    result(page, '"harbour"')
