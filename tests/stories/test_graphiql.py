"""A newcomer queries: GraphiQL in a real browser, from sign-in to the plan of the dashboard query."""

import pytest

from tests.browser import browser, chromium
from tests.stories.world import World

DASHBOARD = (
    """query Dashboard { dashboard { crm { closingThisMonth } invoicing { __typename } support { __typename } } }"""
)
_RESULT = "document.querySelector('.result-window .view-lines')?.textContent ?? ''"


@pytest.mark.skipif(chromium() is None, reason="no Chromium here: apt-get install chromium")
def test_a_newcomer_signs_in_runs_the_dashboard_query_and_sees_its_plan(world: World) -> None:
    """Issue 8: no request leaves the machine; nothing breaks the page's own policy; no token is kept in the browser."""
    email, password, *_ = world.platform.run("demo", "logins").stdout.splitlines()[1].split("\t")
    origin = f"http://127.0.0.1:{world.platform.port}"

    with browser() as page:
        page.open(f"{origin}/graphiql")
        page.type_into("input[name=email]", email)
        page.type_into("input[name=password]", password)
        page.click("button[type=submit]")
        page.until("!!document.querySelector('.graphiql-execute-button')")
        page.click("button[aria-label='Show Examples']")
        page.until("[...document.querySelectorAll('.panel summary')].map(one => one.textContent).includes('crm')")
        page.click(".panel .example")
        page.click(".graphiql-execute-button")
        page.until(f"({_RESULT}).includes('dashboard')")
        page.click("button[aria-label='Show Plan of the last operation']")
        modules = page.until("[...document.querySelectorAll('.plan .module')].map(one => one.textContent)")
        stored = page.evaluate("JSON.stringify(localStorage) + JSON.stringify(sessionStorage)")

    assert {"crm", "identity", "invoicing"} <= set(modules)
    assert "eyJ" not in stored, "a token is kept in the browser"
    assert [url for url in page.requests if not url.startswith((origin, "data:", "blob:"))] == []
    assert page.errors == []
