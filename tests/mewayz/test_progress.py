"""What `up` prints: on a terminal and as plain lines (ux.md, A)."""

import sys

import pytest

from mewayz.progress import PlainScreen, Ready, Terminal, Trouble
from shared.wire.control import Login

LOGINS = [Login(tenant="lumen", email="owner@lumen.example", password="kept-secret", role="Owner")]


def test_passwords_are_shown_when_they_were_made_and_never_again(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().show(Ready("http://localhost:8000", 9.0, LOGINS, is_first=True))
    assert "owner@lumen.example" in (shown := capsys.readouterr().out)
    assert "kept-secret" in shown

    Terminal().show(Ready("http://localhost:8000", 3.0, LOGINS))
    assert "./justw demo logins" in (shown := capsys.readouterr().out)
    assert "kept-secret" not in shown


def test_plain_lines_which_may_be_a_log_hold_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    PlainScreen(sys.stdout).show(Ready("http://localhost:8000", 9.0, LOGINS, is_first=True))

    assert capsys.readouterr().out.splitlines() == [
        "step=ready status=ok seconds=9.0",
        "API http://localhost:8000/graphql",
        "owner@lumen.example  lumen  Owner",
    ]


def test_a_reason_with_brackets_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().show(Trouble("crm is parked: '[/' was never closed in [Errno 2].", "./justw start crm"))

    assert "'[/' was never closed in [Errno 2]." in capsys.readouterr().out
