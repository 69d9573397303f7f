"""A module that is installed in month three knows what its publishers have known for long (issue 4, ADR 0026)."""

from typing import Any
from uuid import UUID

from tests.stories.world import F0

COPIES = {  # what modules know by others' events alone
    "projects": {
        "known_customer": "customer_id, name",
        "known_employee": "employee_id, full_name, manager_id, left_on",
    },
    "invoicing": {"known_tax_rate": "tax_code_id, code, rate_pct, valid_from, rounding_rule"},
    "hr": {"user_login": "user_id, email"},
}
_ROWS = ["Customer", "Employee", "TaxRate", "UserAccount"]
_NAMED = "where full_name is not null"  # the others Projects has noted by itself
_INVOICES = "select id from invoice order by id"


def copies(one: F0) -> list[list[dict[str, Any]]]:
    """Return the copies that modules have of the tenant's rows."""
    return [
        one.rows(module, f"select {columns} from {table} {_NAMED if 'full_name' in columns else ''} order by 1, 2")  # noqa: S608
        for module, tables in COPIES.items()
        for table, columns in tables.items()
    ]


def is_known(one: F0) -> bool:
    """Tell whether Projects has heard of the fixture's customer and salesperson."""
    known = """
        select 1 from known_customer, known_employee
        where customer_id = $1 and name is not null and employee_id = $2 and full_name is not null
    """
    return bool(one.rows("projects", known, UUID(one.customer), UUID(one.salesperson)))


def come_later(one: F0) -> None:
    """Let these modules be as if they had been installed just now, months after the tenant's events."""
    for module, tables in COPIES.items():
        one.rows(module, "update kit.inbox_key set last_sequence = 0 where split_part(key, '/', 1) = any($1)", _ROWS)
        for table in tables:
            one.rows(module, f"delete from {table}")  # noqa: S608
    one.world.purge(one.tenant)


def test_a_module_that_comes_later_knows_what_is_older_than_the_stream(lumen: F0, harbour: F0) -> None:
    deal = lumen.open_deal()
    lumen.win(deal)
    lumen.world.settle()
    assert is_known(lumen)
    assert is_known(harbour)
    before, others = copies(lumen), copies(harbour)
    invoices = lumen.rows("invoicing", _INVOICES)
    come_later(lumen)
    assert all(before)
    assert not any(copies(lumen))

    for module in COPIES:
        done = lumen.world.platform.run("events", "rebuild", module)
        assert done.returncode == 0, done.stderr
        assert f"of which {module} keeps copies" in done.stdout

    lumen.world.settle()
    assert copies(lumen) == before
    assert copies(harbour) == others
    assert lumen.rows("invoicing", _INVOICES) == invoices
    assert len(lumen.live_commissions(deal)) == 1


def test_what_it_could_not_be_told_of_is_named_and_told_the_next_time(lumen: F0) -> None:
    key = f"Customer/{lumen.customer}"
    lumen.world.settle()
    lumen.rows("projects", "delete from known_customer where customer_id = $1", UUID(lumen.customer))
    park = "update kit.inbox_key set parked = $1 where key = $2"
    lumen.rows("projects", park, True, key)

    done = lumen.world.platform.run("events", "rebuild", "projects")

    assert done.returncode == 1
    assert f"✘ {lumen.tenant}  {key}  an event of it is parked: replay or skip it first\n" in done.stderr
    assert "✘ projects could not be told of 1 rows" in done.stderr
    lumen.rows("projects", park, False, key)
    assert lumen.world.platform.run("events", "rebuild", "projects").returncode == 0
    assert is_known(lumen)


def test_a_module_that_keeps_no_copies_goes_on_while_it_is_rebuilt(lumen: F0) -> None:
    before = lumen.world.platform.module("identity")["pid"]

    done = lumen.world.platform.run("events", "rebuild", "identity")

    assert done.returncode == 0, done.stderr
    assert "keeps copies" not in done.stdout
    assert lumen.world.platform.module("identity")["pid"] == before
