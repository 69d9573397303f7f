"""What schemathesis has to know of our graph: its scalars, and which errors are ours (SCHEMATHESIS_HOOKS names this file).

A refusal is an answer: its code says what the caller can do. INTERNAL says that we failed, and so does a status of 500.
"""

import json
import re

import schemathesis
from hypothesis import strategies
from schemathesis.graphql import nodes

_PAGE = re.compile(r"\b(first|last): (-?\d+)")
_BACK = re.compile(r"\blast: -?[\d.]+(e[+-]?\d+)?")
_DECIMALS = strategies.decimals(-(10**12), 10**12, allow_nan=False, places=2).map(str)

schemathesis.graphql.scalar("Decimal", _DECIMALS.map(nodes.String))
schemathesis.graphql.scalar("Date", strategies.dates().map(lambda day: nodes.String(day.isoformat())))
schemathesis.graphql.scalar("DateTime", strategies.datetimes().map(lambda at: nodes.String(f"{at.isoformat()}Z")))


@schemathesis.hook
def before_call(_context: object, case: schemathesis.Case, _kwargs: object) -> None:
    """Ask for pages that are allowed, one way round: of random ones nearly all are refused, and nothing behind is tried."""
    if isinstance(case.body, str):
        body = _BACK.sub("", case.body) if "first:" in case.body else case.body
        case.body = _PAGE.sub(lambda page: f"{page[1]}: {int(page[2]) % 20 + 1}", body)


@schemathesis.check
def nothing_fails_inside(_context: object, response: schemathesis.Response, _case: schemathesis.Case) -> None:
    """No status of 500 or above but that a module is away, and no error INTERNAL."""
    assert response.status_code < 500 or response.status_code in (503, 504), response.text[:300]
    assert response.status_code != 401, "the token ended: what comes after this is not tried"
    codes = {error.get("extensions", {}).get("code") for error in json.loads(response.text).get("errors", ())}
    assert "INTERNAL" not in codes, response.text[:500]
