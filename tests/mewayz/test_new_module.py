"""A new module runs, composes and conforms as it is written; names that can't be are refused in a sentence."""

import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

import subgraphs
from mewayz.compose import compose_modules
from mewayz.new_module import ModuleExists, WrongModuleName, draft_migration, write_module
from shared.testing.conformance import CHECKS, Subject
from tests.modules import Starter

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A further folder of modules."""
    subgraphs.__path__.append(str(tmp_path))
    yield tmp_path
    subgraphs.__path__.remove(str(tmp_path))


@pytest.mark.timeout(90)
async def test_a_new_module_conforms_as_it_is_written(folder: Path, start_module: Starter) -> None:
    write_module("rewards", folder, entity="RewardCard")
    first = await draft_migration("rewards", "first tables")
    again = await draft_migration("rewards", "nothing")

    subject = await Subject.of(await start_module("rewards"))
    for check in CHECKS:
        await check(subject)

    runpy.run_path(str(folder / "rewards" / "tests" / "test_rules.py"))["test_nothing_is_archived_twice"]()
    assert first is not None
    assert first.name == "0001_first_tables.py"
    assert again is None
    assert compose_modules(check=False, into=folder / "schema", modules_from=[str(folder)]) == 0
    assert "type RewardCard" in (folder / "schema" / "supergraph.graphql").read_text()


@pytest.mark.parametrize("name", ["Loyalty", "loyalty-card", "2nd", "class", "", "x" * 50, "../crm"])
def test_a_name_that_is_no_modules_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(WrongModuleName, match="can't name a module"):
        write_module(name, tmp_path)

    assert not list(tmp_path.iterdir())


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModuleExists, match="already"):
        write_module("crm", tmp_path)


def test_an_entity_that_is_no_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongModuleName, match="LoyaltyCard"):
        write_module("vouchers", tmp_path, entity="loyalty card")

    assert not list(tmp_path.iterdir())
