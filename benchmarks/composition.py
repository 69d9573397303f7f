"""How fast the catalogue's 208 subgraphs compose, from cold and when one has changed, and in how much memory.

CPU seconds of one core. `cold_s`: the first composition of the process. `peak_mb`: the most memory the process has held by
then, Python and libraries included. `changed_ms`: the median over rounds in which one subgraph, another each time, has a
field more than before; `changed_min_ms` is the fastest of them, which other work on the machine disturbs least.
With --node-modules FOLDER, where `npm install @apollo/composition graphql@16` was run: `apollo_s`, CPU seconds of
`@apollo/composition` for the same subgraphs, Node's start and the reading of the SDL included.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from router.composition import Composer, Composition, Subgraph
from tests.router.composition.differential import npm_codes

CATALOGUE = Path(__file__).parents[1] / "catalogue" / "sdl.py"


def main() -> None:
    """Measure and print."""
    options = _options()
    subgraphs = catalogue()
    composer = Composer()
    cold_s, composed = timed(composer, subgraphs)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    supergraph, sdl = composed.supergraph, composed.sdl
    assert supergraph is not None
    assert sdl is not None
    milliseconds = sorted(changed_ms(composer, subgraphs, options.rounds))
    figures = {
        "subgraphs": len(subgraphs),
        "sdl_kb": round(sum(len(one.sdl.encode()) for one in subgraphs) / 1000),
        "types": len(supergraph.types),
        "entities": sum(bool(one.keys) for one in supergraph.types.values()),
        "supergraph_kb": round(len(sdl.encode()) / 1000),
        "cold_s": round(cold_s, 2),
        "peak_mb": round(peak_mb),
        "changed_ms": round(statistics.median(milliseconds)),
        "changed_min_ms": round(milliseconds[0]),
    }
    if options.node_modules:
        figures["apollo_s"] = round(apollo_s(options.node_modules, subgraphs), 2)
    if not options.json:
        print(*(f"{name:<14} {value}" for name, value in figures.items()), sep="\n")
    print(json.dumps(figures))


def catalogue() -> list[Subgraph]:
    """Return the subgraphs of all modules of the catalogue."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, str(CATALOGUE), folder], check=True, capture_output=True)
        files = sorted(Path(folder).glob("*.graphql"))
        return [Subgraph(one.stem, f"module:{one.stem}", one.read_text()) for one in files]


def timed(composer: Composer, subgraphs: list[Subgraph]) -> tuple[float, Composition]:
    """Compose; return the CPU seconds it took, and what came of it."""
    started = time.process_time()
    composed = composer.compose(subgraphs)
    return time.process_time() - started, composed


def changed_ms(composer: Composer, subgraphs: list[Subgraph], rounds: int) -> list[float]:
    """Return the CPU milliseconds of each round: in one subgraph the first entity has got a field."""
    editable = [index for index, one in enumerate(subgraphs) if "  id: ID!\n" in one.sdl]
    took: list[float] = []
    for number in range(rounds):
        index = editable[number * 7 % len(editable)]
        one = subgraphs[index]
        edited = one.sdl.replace("  id: ID!\n", f"  id: ID!\n  added{number}: Int\n", 1)
        changed = [*subgraphs]
        changed[index] = Subgraph(one.name, one.url, edited)
        seconds, composed = timed(composer, changed)
        assert not composed.errors, composed.errors
        took.append(seconds * 1000)
        composer.compose(subgraphs)
    return took


def apollo_s(modules: Path, subgraphs: list[Subgraph]) -> float:
    """Return the CPU seconds that Apollo's composer takes, all its threads together."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert npm_codes(modules, "@apollo/composition", [subgraphs]) == [[]]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Composition of the catalogue")
    parser.add_argument("--json", action="store_true", help="print one line of JSON only")
    parser.add_argument("--rounds", type=int, default=21, help="how many times one subgraph is changed")
    parser.add_argument("--node-modules", type=Path, help="measure Apollo's composer, too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
