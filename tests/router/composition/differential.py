"""Compare composition with @apollo/composition over random sets, valid and broken: verdicts and error codes.

    python -m tests.router.composition.differential NODE_MODULES [--sets 2500] [--seed 0]

NODE_MODULES is a folder where `npm install @apollo/composition graphql@16` was run. Prints the share of equal verdicts and
codes, and, per breakage, how often it was tried and where the answers differ. Sets on which Apollo's composer itself
fails with an exception are counted apart.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from router.composition import Subgraph, compose
from tests.router.composition.generated import broken_set, random_set

BROKEN_SHARE = 0.5
SCRIPT = """\
import { createRequire } from 'module';
import fs from 'fs';
const require = createRequire(process.argv[2] + '/');
const { composeServices } = require('@apollo/composition');
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


def sets(count: int, seed: int) -> list[tuple[str, list[Subgraph]]]:
    """Return that many sets with the names of their breakages; "none" for those left whole."""
    broken = int(count * BROKEN_SHARE)
    whole = [("none", random_set(seed + number)) for number in range(count - broken)]
    return whole + [broken_set(seed + number) for number in range(broken)]


def apollo(modules: Path, made: list[tuple[str, list[Subgraph]]]) -> list[list[str]]:
    """Return the codes Apollo's composer gives for each set."""
    lines = [json.dumps([{"name": s.name, "url": s.url, "sdl": s.sdl} for s in one]) for _, one in made]
    with tempfile.NamedTemporaryFile("w", suffix=".mjs") as script:
        script.write(SCRIPT)
        script.flush()
        command = ["node", script.name, str(modules.resolve())]
        answer = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=True)
    return [json.loads(line) for line in answer.stdout.splitlines()]


def main() -> None:
    """Run the comparison and print its report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", type=Path)
    parser.add_argument("--sets", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    made = sets(given.sets, given.seed)
    tried, crashed, verdicts, codes, failing = Counter[str](), Counter[str](), 0, 0, 0
    for (name, one), theirs in zip(made, apollo(given.modules, made), strict=True):
        if theirs == ["CRASH"]:
            crashed[name] += 1
            continue
        tried[name] += 1
        ours = sorted({error.code for error in compose(one).errors})
        failing += bool(theirs)
        verdicts += bool(ours) == bool(theirs)
        codes += ours == theirs
        if ours != theirs:
            print(f"{name}: {one[0].name}.. ours {ours}, Apollo {theirs}", file=sys.stderr)
    total = sum(tried.values())
    for name, count in sorted(tried.items()):
        print(f"{count:5} {name}")
    print(
        f"{total} sets, {failing} broken, {len(tried) - 1} breakages; Apollo's composer failed on {sum(crashed.values())}"
    )
    print(f"equal verdicts {verdicts / total:.2%}, equal codes {codes / total:.2%}")


if __name__ == "__main__":
    main()
