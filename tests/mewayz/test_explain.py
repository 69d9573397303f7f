"""`mewayz explain`: the plan of an operation over the composed schema, without a platform."""

import json
import subprocess
import sys

import pytest

from tests.waiting import PATIENCE_S


def _explain(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mewayz", "explain", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)


QUERY = "{ deals(first: 3) { nodes { title customer { name openInvoices { id } } } } }"


def test_fetches_and_losses_are_printed() -> None:
    printed = _explain(QUERY)

    assert printed.returncode == 0, printed.stderr
    assert printed.stdout.startswith("2 fetches in 2 levels\n")
    assert "without invoicing: deals.nodes.customer.openInvoices would be null" in printed.stdout


def test_json_and_mermaid_hold_the_same() -> None:
    assert json.loads(_explain(QUERY, "--json").stdout)["levels"] == 2
    assert _explain(QUERY, "--mermaid").stdout.startswith("flowchart TD\n")


@pytest.mark.parametrize("query", ["{ nothing }", "{", "@no-such-file"])
def test_a_wrong_operation_is_one_sentence(query: str) -> None:
    printed = _explain(query)

    assert printed.returncode == 2
    assert "Traceback" not in printed.stderr
