"""docs/errors.md is what the code says."""

from mewayz.error_catalogue import as_markdown, catalogue
from mewayz.modules import REPOSITORY


def test_the_errors_page_is_printed_from_the_code() -> None:
    printed = as_markdown(catalogue())

    assert (REPOSITORY / "docs" / "errors.md").read_text() == printed, (
        "docs/errors.md is old: ./justw errors --markdown > docs/errors.md"
    )


def test_every_code_says_what_it_means() -> None:
    found = catalogue()

    everything = (*found.user_errors, *found.errors, *found.command_line, *found.composition)
    assert [one.code for one in everything if not one.meaning] == []
    assert {"DEAL_CLOSED", "NOT_FOUND"} <= {one.code for one in found.user_errors}
    assert {"E01", "E10", "NOT_RUNNING"} <= {one.code for one in found.command_line}
