"""GraphiQL as a person uses it: what walks and pictures do on the page."""

import json
from typing import Any

from tests.browser import Page

RESULT = "(document.querySelector('.result-window .view-lines')?.innerText ?? '').replaceAll('\\u00a0', ' ')"
_TENANT = "select[aria-label=Tenant]"
_EDITOR = ".graphiql-query-editor .monaco-editor"


def sign_in(page: Page, origin: str, email: str, password: str) -> None:
    """Open the page and sign in; wait until the editor is there."""
    page.open(f"{origin}/graphiql")
    page.type_into("input[name=email]", email)
    page.type_into("input[name=password]", password)
    page.click("button[type=submit]")
    page.until("!!document.querySelector('.graphiql-execute-button')")


def switch(page: Page, tenant: str) -> None:
    """Choose another tenant, and wait until the page has its session: it shows and asks the one before until then."""
    page.choose(_TENANT, tenant)
    page.until(f"document.querySelector({json.dumps(_TENANT)}).selectedOptions[0].label === {json.dumps(tenant)}")


def open_panel(page: Page, title: str) -> None:
    """Open one of the panels on the left, by its title."""
    page.click(f"button[aria-label='Show {title}']")


def ask(page: Page, query: str) -> None:
    """Put a query in place of what the editor holds, and run it; the operation has a name."""
    page.until(f"!!document.querySelector({json.dumps(_EDITOR)})")
    page.evaluate(f"document.querySelector({json.dumps(_EDITOR + ' textarea')}).focus()")
    page.press("a", control=True)
    page.insert(query)
    run(page, query.split("{")[0].split()[1])


def run(page: Page, name: str) -> None:
    """Press the button that runs the operation, once GraphiQL has read its name: it does so a moment after a change."""
    tab = "document.querySelector('.graphiql-tab-active')?.innerText.trim()"
    page.until(f"{tab} === {json.dumps(name)}")
    page.click(".graphiql-execute-button")


def result(page: Page, holds: str) -> str:
    """Wait until the result shows a text; return all of it that is in sight."""
    page.until(f"({RESULT}).includes({json.dumps(holds)})")
    return page.evaluate(RESULT)


def plan(page: Page) -> list[str]:
    """Return the modules in the picture of the plan."""
    return page.until(
        "(found => found.length && found)([...document.querySelectorAll('.plan .module')].map(one => one.textContent))"
    )


def stored(page: Page) -> Any:
    """Return all that the page keeps in the browser, as text."""
    return page.evaluate("JSON.stringify(localStorage) + JSON.stringify(sessionStorage)")
