"""Composition is tested SDL in, SDL or codes out: the cases are text files, one per rule family.

=== a sentence -> ERROR_CODE ERROR_CODE ~ HINT_CODE
### subgraph name
%2.3 @key @shareable        (short for: extend schema @link(url: ".../federation/v2.3", import: [...]))
type Query { ... }
shows: text                 (a line of the supergraph that comes of it)
mend: text => other text    (makes a second case: with this change the same subgraphs compose)
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from router.composition import Composition, Subgraph, compose

CASES = Path(__file__).parent / "cases"
SHOWS = re.compile(r"(?m)^shows: (.*)\n?")
MEND = re.compile(r"(?m)^mend: (.*?) => ?(.*)\n?")


@dataclass(frozen=True)
class Case:
    """Subgraphs, and what composing them gives: codes, or lines of the supergraph.

    `mended` are the errors that a change has done away with.
    """

    sentence: str
    subgraphs: tuple[Subgraph, ...]
    errors: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()


def subgraphs_of(text: str) -> tuple[Subgraph, ...]:
    """Read `### name` sections into subgraphs."""
    found: list[Subgraph] = []
    for part in re.split(r"^### *", text, flags=re.MULTILINE)[1:]:
        name, _, sdl = part.partition("\n")
        found.append(Subgraph(name.strip(), f"http://{name.strip()}/graphql", re.sub(r"(?m)^%(\S+)(.*)$", _link, sdl)))
    return tuple(found)


def _link(match: re.Match[str]) -> str:
    imports = ", ".join(f'"{name}"' for name in match[2].split())
    return f'extend schema @link(url: "https://specs.apollo.dev/federation/v{match[1]}", import: [{imports}])'


def cases(file: Path) -> list[Case]:
    """Read a file of cases."""
    found: list[Case] = []
    for block in re.split(r"^=== *", file.read_text(), flags=re.MULTILINE)[1:]:
        head, _, text = block.partition("\n")
        told, _, hints = head.partition("~")
        sentence, _, errors = told.partition("->")
        shows, changes, sdls = SHOWS.findall(text), MEND.findall(text), MEND.sub("", SHOWS.sub("", text))
        case = Case(
            sentence.strip(), subgraphs_of(sdls), tuple(errors.split()), tuple(hints.split()), shows=tuple(shows)
        )
        found.append(case)
        if changes:
            found.append(Case(f"{case.sentence}, mended", subgraphs_of(_mend(sdls, changes)), mended=case.errors))
    return found


def _mend(text: str, changes: list[tuple[str, str]]) -> str:
    for old, new in changes:
        assert old in text, f"there is no {old!r} to mend"
        text = text.replace(old, new)
    return text


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give `case` every case of every file, and `valid_case` those that compose."""
    every = [(file.stem, case) for file in sorted(CASES.glob("*.txt")) for case in cases(file)]
    for name, chosen in (("case", every), ("valid_case", [one for one in every if not one[1].errors])):
        if name in metafunc.fixturenames:
            metafunc.parametrize(
                name, [one for _, one in chosen], ids=[f"{stem}: {one.sentence}" for stem, one in chosen]
            )


@pytest.fixture
def composed() -> Callable[[str], Composition]:
    """Compose subgraphs written as `### name` sections."""
    return lambda text: compose(subgraphs_of(text))
