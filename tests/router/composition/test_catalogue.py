"""The catalogue's 208 subgraphs: composed in little time, and again in less when one has changed."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from router.composition import Subgraph
from router.composition.compose import Composer
from router.supergraph.sdl import parse_supergraph

CATALOGUE = Path(__file__).parents[3] / "catalogue" / "sdl.py"


@pytest.fixture
def catalogue(tmp_path: Path) -> list[Subgraph]:
    """Write the SDL of every module of the catalogue."""
    subprocess.run([sys.executable, str(CATALOGUE), str(tmp_path)], check=True, capture_output=True)
    return [Subgraph(one.stem, f"module:{one.stem}", one.read_text()) for one in sorted(tmp_path.glob("*.graphql"))]


def test_the_catalogue_composes_within_three_seconds_and_again_within_a_fraction(catalogue: list[Subgraph]) -> None:
    composer = Composer()
    started = time.process_time()

    made = composer.compose(catalogue)

    cold_s = time.process_time() - started
    assert made.errors == ()
    assert made.sdl is not None
    assert parse_supergraph(made.sdl) == made.supergraph
    assert cold_s < 3

    changed = [
        Subgraph(one.name, one.url, one.sdl.replace("title: String!", "title: String! added: Int"))
        if one.name == "crm"
        else one
        for one in catalogue
    ]
    started = time.process_time()

    again = composer.compose(changed)

    assert time.process_time() - started < 0.3
    assert again.errors == ()
    assert again == Composer().compose(changed)
