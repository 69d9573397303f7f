"""Threats whose control is a property of the code or of the lock file (security.md, E4)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from subgraphs.identity.models import Tenant

ROOT = Path(__file__).parents[2]


def _texts_of_sql() -> Iterator[tuple[Path, ast.Call]]:
    for folder in ("shared", "subgraphs", "router"):
        for path in (ROOT / folder).rglob("*.py"):
            if (
                "tests" in path.parts or "migrations" in path.parts or path.name == "migrate.py"
            ):  # the owner's, at a start
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "text":
                    yield path, node


def test_no_sql_text_is_put_together_from_values() -> None:
    """security.md, threat 3: every `text(...)` is one literal, so that nothing a client sends becomes SQL"""
    made = [f"{path}:{node.lineno}" for path, node in _texts_of_sql() if not isinstance(node.args[0], ast.Constant)]

    assert made == []


@pytest.mark.parametrize("slug", ["a.b", "*", ">", "a b", "", "-a", "Ä", "a" * 64, "A", "a\n", "a/b", "a*"])
def test_a_slug_cannot_be_a_subject_of_its_own(slug: str) -> None:
    """security.md, threat 15; subjects name tenants by UUID, so a slug is in none"""
    adapter: TypeAdapter[str] = Tenant.__facts__["slug_name"].adapter

    with pytest.raises(ValidationError):
        adapter.validate_python(slug)


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_every_dependency_is_pinned_by_its_hash(lock: str) -> None:
    """security.md, threat 31"""
    entries = re.findall(r"^([a-z0-9][\w.\[\]-]*)==((?:[^\n]*\\\n)*[^\n]*)", (ROOT / lock).read_text(), re.MULTILINE)

    assert len(entries) > 20
    assert [name for name, rest in entries if "--hash=sha256:" not in rest] == []
    assert "://" not in "".join(line for line in (ROOT / lock).read_text().splitlines() if not line.startswith("#"))
