"""Compare composition with the npm composers over random sets, valid and broken: verdicts and error codes.

    python -m tests.router.composition.differential NODE_MODULES [--sets 2500] [--seed 0] [--report FILE]

NODE_MODULES is a folder where `npm install @apollo/composition @theguild/federation-composition graphql@16` was run.
Apollo's answer is the measure, ours and The Guild's are held against it. Prints a line per difference of ours, and the
shares of equal verdicts and codes; the report is a table with a row per breakage, in Markdown. Sets on which Apollo's
composer itself fails with an exception are counted apart.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from router.composition import Subgraph, compose
from tests.router.composition.generated import broken_set, random_set

BROKEN_SHARE = 0.52
SCRIPT = """\
import { createRequire } from 'module';
import fs from 'fs';
const require = createRequire(process.argv[2] + '/');
const { composeServices } = require(process.argv[3]);
const { parse } = require('graphql');
for (const line of fs.readFileSync(0, 'utf8').split('\\n').filter(Boolean)) {
  let codes;
  try {
    const services = JSON.parse(line).map((one) => ({ name: one.name, url: one.url, typeDefs: parse(one.sdl) }));
    codes = (composeServices(services).errors ?? []).map((error) => error.extensions?.code);
  } catch (error) {
    codes = [error.name === 'GraphQLError' ? 'INVALID_GRAPHQL' : 'CRASH'];
  }
  console.log(JSON.stringify([...new Set(codes)].sort()));
}
"""


@dataclass(frozen=True)
class Compared:
    """One set's name, the breakage in it or "none", and the codes each composer gives."""

    breakage: str
    seed: int
    apollo: list[str]
    ours: list[str]
    guild: list[str]


def main() -> None:
    """Run the comparison and print its report."""
    given = _options()
    made = list(sets(given.sets, given.seed))
    subgraphs = [one for _, _, one in made]
    apollo = npm_codes(given.modules, "@apollo/composition", subgraphs)
    guild = npm_codes(given.modules, "@theguild/federation-composition", subgraphs)
    compared = [
        Compared(name, seed, theirs, sorted({error.code for error in compose(one).errors}), other)
        for (name, seed, one), theirs, other in zip(made, apollo, guild, strict=True)
    ]
    counted = [one for one in compared if one.apollo != ["CRASH"]]
    for one in counted:
        if one.ours != one.apollo:
            print(f"{one.breakage}, seed {one.seed}: ours {one.ours}, Apollo's {one.apollo}", file=sys.stderr)
    if given.report:
        given.report.write_text(report(counted))
    broken, breakages = sum(bool(one.apollo) for one in counted), {one.breakage for one in counted} - {"none"}
    print(
        f"{len(counted)} sets, {broken} broken, {len(breakages)} breakages, each in "
        f"{min(sum(one.breakage == name for one in counted) for name in breakages)} sets or more; "
        f"Apollo's composer failed on {len(compared) - len(counted)}"
    )
    for name, which in (("ours", "ours"), ("The Guild's", "guild")):
        print(
            f"{name}: equal verdicts {share(counted, which, 'verdict')}, equal codes {share(counted, which, 'codes')}"
        )


def sets(count: int, seed: int) -> Iterator[tuple[str, int, list[Subgraph]]]:
    """Yield that many sets, each with its breakage's name, "none" where it was left whole, and its own seed."""
    broken = int(count * BROKEN_SHARE)
    for number in range(seed, seed + count - broken):
        yield "none", number, random_set(number)
    for number in range(seed, seed + broken):
        name, made = broken_set(number)
        yield name, number, made


def npm_codes(modules: Path, package: str, made: list[list[Subgraph]]) -> list[list[str]]:
    """Return the codes that an npm composer gives for each set."""
    lines = [json.dumps([{"name": s.name, "url": s.url, "sdl": s.sdl} for s in one]) for one in made]
    with tempfile.NamedTemporaryFile("w", suffix=".mjs") as script:
        script.write(SCRIPT)
        script.flush()
        command = ["node", script.name, str(modules.resolve()), package]
        answer = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=True)
    return [json.loads(line) for line in answer.stdout.splitlines()]


def share(compared: list[Compared], which: str, what: str) -> str:
    """Return in how many sets the verdict, or the codes, of `ours` or `guild` are Apollo's, in percent."""
    answers = [(getattr(one, which), one.apollo) for one in compared]
    equal = sum(mine == theirs if what == "codes" else bool(mine) == bool(theirs) for mine, theirs in answers)
    return f"{equal / len(compared):.2%}"


def report(compared: list[Compared]) -> str:
    """Return a Markdown page: a table with a row per breakage."""
    lines = [
        "# Composition, breakage by breakage",
        "",
        "Printed by `python -m tests.router.composition.differential NODE_MODULES --report FILE`: in how many sets with a",
        "breakage a composer gives the verdict, and exactly the codes, of `@apollo/composition`. What it says is in",
        "[federation.md](federation.md); what each breakage is, in `tests/router/composition/broken.py`.",
        "",
        "| Breakage | sets | our verdicts | our codes | The Guild's verdicts | The Guild's codes |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name in sorted({one.breakage for one in compared}):
        mine = [one for one in compared if one.breakage == name]
        shares = [share(mine, which, what) for which in ("ours", "guild") for what in ("verdict", "codes")]
        lines.append(f"| {name} | {len(mine)} | {' | '.join(one.replace('.00', '') for one in shares)} |")
    return "\n".join(lines) + "\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", type=Path)
    parser.add_argument("--sets", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path, help="write the table here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
