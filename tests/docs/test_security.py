"""docs/security.md: all 33 threats, each with a control and a test; every test file and function it names exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\| \d+ .*$", PAGE, re.MULTILINE)
]
_ROOMS = (ROOT / "tests", ROOT / "subgraphs", ROOT)


def sources(name: str) -> list[Path]:
    """Return the files that a name on the page stands for: whole, or the last parts of a path."""
    return [room / name for room in _ROOMS if (room / name).exists()] or [
        path for room in _ROOMS[:2] for path in room.rglob(f"**/{Path(name).name}") if str(path).endswith(f"/{name}")
    ]


def test_all_threats_of_the_design_stand_there_by_number() -> None:
    assert [int(row[0]) for row in ROWS] == list(range(1, 34))


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_each_has_a_control_and_a_test(row: list[str]) -> None:
    _, threat, control, tests, _ = row

    assert threat
    assert control
    assert re.search(r"test_\w+\.py|proof|pip-audit", tests)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:[\w/]+/)?test_\w+\.py)`", PAGE))))
def test_every_test_it_names_exists(name: str) -> None:
    found = sources(name)

    assert found
    assert any("def test_" in path.read_text() for path in found)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([a-z]+/[\w/]+\.py)`", PAGE))))
def test_every_file_it_names_exists(name: str) -> None:
    assert sources(name)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"proof: `(\w+)`", PAGE))))
def test_every_wall_of_the_proof_that_it_names_exists(name: str) -> None:
    proof = "".join(path.read_text() for path in (ROOT / "mewayz" / "proof").glob("*.py"))

    assert f'"{name}"' in proof or f"def {name}" in proof
