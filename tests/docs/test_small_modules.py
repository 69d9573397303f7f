"""The promise of docs/module-guide.md, kept by tax and notifications: little is written by hand, and in one folder."""

import difflib
import re
from pathlib import Path

import pytest

from mewayz.modules import REPOSITORY
from mewayz.new_module import write_module

_SMALL = [("tax", "TaxCode"), ("notifications", "NotificationMessage")]
_OTHERS = ("router", "shared", "mewayz")


@pytest.mark.parametrize(("slug", "entity"), _SMALL)
def test_a_small_modules_hand_written_part_is_below_200_lines(slug: str, entity: str, tmp_path: Path) -> None:
    """Lines of its Python that `new-module` didn't write; migrations are drafted, tests come on top."""
    write_module("drafted", tmp_path, entity=entity)
    written = 0
    for path in (REPOSITORY / "subgraphs" / slug).glob("*.py"):
        draft = tmp_path / "drafted" / path.name
        before = draft.read_text().replace("drafted", slug).splitlines() if draft.exists() else []
        added = difflib.unified_diff(before, path.read_text().splitlines(), lineterm="", n=0)
        written += sum(line.startswith("+") and not line.startswith("+++") and line[1:].strip() != "" for line in added)

    assert 50 < written < 200


@pytest.mark.parametrize("slug", [slug for slug, _ in _SMALL])
def test_no_other_code_names_a_small_module_but_to_refer_to_its_entities(slug: str) -> None:
    """What hears of its facts names the facts; no list, no import, no switch names the module itself."""
    named = re.compile(rf"""["']{slug}["'](?!:)|subgraphs[./]{slug}\b""")
    files = [path for room in _OTHERS for path in (REPOSITORY / room).rglob("*.py")]
    files += [path for path in (REPOSITORY / "subgraphs").rglob("*.py") if slug not in path.parts]

    naming = {
        f"{path.relative_to(REPOSITORY)}: {line.strip()}"
        for path in files
        if "tests" not in path.parts
        for line in path.read_text().splitlines()
        if named.search(line)
    }

    assert naming == set()
