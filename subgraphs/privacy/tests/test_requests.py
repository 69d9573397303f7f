"""Requests of persons: which modules are to answer."""

from pathlib import Path

import pytest

import subgraphs
from shared.module import discover
from tests.modules import Starter

pytestmark = pytest.mark.anyio


async def test_modules_of_further_folders_are_to_answer_too(
    start_module: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mewayz up --modules-from DIR`: what such a module holds of a person is erased like all else"""
    (tmp_path / "loyalty").mkdir()
    (tmp_path / "loyalty" / "__init__.py").touch()
    monkeypatch.setattr(subgraphs, "__path__", [*subgraphs.__path__, str(tmp_path)])
    privacy = await start_module("privacy")
    ada = await privacy.new_tenant()
    asked = {"kind": "ERASURE", "subjectEmail": "cy@example.test"}
    opened = (await privacy.command(ada, "openPrivacyRequest", "privacyRequest { id }", **asked))["privacyRequest"]
    await privacy.command(ada, "verifySubject", "privacyRequest { id }", privacyRequestId=opened["id"])

    begun = await privacy.command(
        ada, "executeErasure", "privacyRequest { awaitedModules }", privacyRequestId=opened["id"]
    )

    assert begun["userErrors"] == []
    assert begun["privacyRequest"]["awaitedModules"] == discover()
    assert {"loyalty", "crm"} <= set(discover())
