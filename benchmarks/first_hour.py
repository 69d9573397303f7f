"""The three first hours of docs/first-hour.md, walked by the machine: what it costs a stranger to wait.

Each walk begins with a fresh clone, an empty home and an empty package cache. `see` starts the platform and wins a deal;
`query` signs in and runs the lines of docs/api-guide.md; `module` does every step of docs/module-guide.md and ends with
the module's own points in an answer. What a person reads and types comes on top.
"""

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mewayz.modules import REPOSITORY
from tests.docs.pages import blocks
from tests.services import free_port

_LONG_S = 1200
_DEAL = "3d3227a4-88ac-5469-80e1-1ffcd0be69ac"
_CUSTOMER = "5fb941c7-55d4-5220-9007-beaf28c03dae"


class Clone:
    """A fresh clone of this repository's last commit, with an empty home, and the steps taken in it so far."""

    def __init__(self, folder: Path) -> None:
        """Clone into `folder`."""
        self.steps: list[tuple[str, float]] = []
        self.root = folder / "mewayz"
        self.port = free_port()
        self._up: subprocess.Popen[str] | None = None
        self._environment = _stranger(folder)
        self.run(f"git clone -q --no-local {REPOSITORY} {self.root}", what="git clone", folder=folder)

    def run(self, command: str, *, what: str | None = None, folder: Path | None = None, **variables: str) -> str:
        """Run a step of a page in a shell, note how long it took, and return what it printed."""
        began = time.monotonic()
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=folder or self.root,
            env={**self._environment, **variables},
            capture_output=True,
            text=True,
            timeout=_LONG_S,
        )
        if done.returncode:
            sys.exit(f"✘ {command}\n{done.stdout}{done.stderr}")
        self.steps.append((what or command, time.monotonic() - began))
        return done.stdout

    def up(self) -> None:
        """Start the platform and wait until it is ready; its own steps are noted, and the whole."""
        command = ["./justw", "up", "--port", str(self.port)]
        began = time.monotonic()
        self._up = subprocess.Popen(
            command, cwd=self.root, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._up.stdout is not None
        lines: list[str] = []
        for line in self._up.stdout:
            lines.append(line)
            if len(lines) == 1:
                self.steps.append(("./justw up: install the packages, look around", time.monotonic() - began))
                began = time.monotonic()
            if line.startswith("step=ready"):
                self.steps.append(
                    ("./justw up: servers, modules, demo companies, until ready", time.monotonic() - began)
                )
                return
        sys.exit("✘ ./justw up ended:\n" + "".join(lines))

    def down(self) -> None:
        """Stop the platform as Ctrl-C does."""
        if self._up is not None:
            self._up.send_signal(signal.SIGINT)
            self._up.wait(60)
            self._up = None

    def login(self) -> tuple[str, str]:
        """Return e-mail and password of the owner of the demo tenant lumen."""
        logins = [line.split("\t") for line in self.run("./justw demo logins").splitlines()]
        return next((email, password) for email, password, tenant, _ in logins if tenant == "lumen")

    def token(self) -> str:
        """Return an access token for lumen."""
        return self.run("./justw token --tenant lumen").strip()

    def ask(self, what: str, query: str, token: str) -> dict[str, Any]:
        """Send an operation as the pages do, with curl, and return its data."""
        body = shlex.quote(json.dumps({"query": query}))
        headers = "-H 'authorization: Bearer '$TOKEN -H 'content-type: application/json'"
        command = f"curl -sS localhost:{self.port}/graphql {headers} -d {body}"
        answer = json.loads(self.run(command, what=what, TOKEN=token))
        assert "errors" not in answer, answer
        return answer["data"]

    def until(self, what: str, query: str, token: str, done: Callable[[dict[str, Any]], bool]) -> None:
        """Ask until the answer is as awaited; the time it took counts as one step."""
        before, began = len(self.steps), time.monotonic()
        while not done(self.ask(what, query, token)):
            assert time.monotonic() - began < 60, f"{what}: not in a minute"
        self.steps[before:] = [(what, time.monotonic() - began)]


def see(clone: Clone) -> None:
    """Someone who wants to see it: the README's first screen and its two pictures of the graph."""
    clone.up()
    token = clone.token()
    answer = clone.ask(
        "one request, four modules", f'{{ customer(id: "{_CUSTOMER}") {{ name tickets {{ number }} }} }}', token
    )
    assert answer["customer"]["tickets"], answer
    won = f'mutation {{ closeDealWon(input: {{dealId: "{_DEAL}"}}) {{ deal {{ status }} userErrors {{ code }} }} }}'
    assert clone.ask("win a deal", won, token)["closeDealWon"]["deal"]["status"] == "WON"
    heard = f'{{ deal(id: "{_DEAL}") {{ invoices {{ status }} commissions {{ amount {{ amount }} }} }} }}'
    clone.until(
        "its invoice and its commission are there",
        heard,
        token,
        lambda data: bool(data["deal"]["invoices"] and data["deal"]["commissions"]),
    )
    clone.run("./justw explain '{ customers { nodes { name tickets { number } } } }'")
    clone.run("./justw status")
    clone.run("./justw doctor --port 4777")


def query(clone: Clone) -> None:
    """A front-end developer: the demo login, then each line of docs/api-guide.md as it stands."""
    clone.up()
    email, password = clone.login()
    variables = {"API": f"http://localhost:{clone.port}", "EMAIL": email, "PASSWORD": password}
    for kind, block in blocks("api-guide.md"):
        if kind != "sh":
            continue
        what = re.search(r"\$API(\S+)", block)
        assert what is not None
        answer = json.loads(clone.run(block, what=f"curl {what[1]}", **variables))
        variables.setdefault("TOKEN", answer.get("accessToken", ""))
        assert "errors" not in answer, answer
    page = clone.run(f"curl -sS --compressed localhost:{clone.port}/graphiql")
    assert '<div id="root">' in page, page


def module(clone: Clone) -> None:
    """A developer who adds a module: every step and file of docs/module-guide.md, then points for a deal that is won."""
    for kind, block in blocks("module-guide.md"):
        if kind in ("python", "po"):
            path, content = block.split("\n", 1)
            (clone.root / path.removeprefix("# ")).write_text(content)
        elif kind == "sh":
            clone.run(block.strip())
    clone.up()
    token = clone.token()
    card = f'mutation {{ createLoyaltyCard(input: {{name: "ACME", customerId: "{_CUSTOMER}"}}) {{ userErrors {{ code }} }} }}'
    assert clone.ask("give a customer a card", card, token)["createLoyaltyCard"]["userErrors"] == []
    won = f'mutation {{ closeDealWon(input: {{dealId: "{_DEAL}"}}) {{ deal {{ status }} }} }}'
    clone.ask("win a deal of the customer", won, token)
    (points,) = (block for kind, block in blocks("module-guide.md") if kind == "graphql")
    clone.until(
        "its points are there",
        points,
        token,
        lambda data: any(node["points"] for node in data["loyaltyCards"]["nodes"]),
    )
    clone.down()
    clone.run("./justw test -k loyalty")


def main() -> None:
    """Walk and print."""
    parser = argparse.ArgumentParser(description="The three first hours, from fresh clones")
    parser.add_argument("--only", choices=("see", "query", "module"), help="one walk only")
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead of Markdown")
    options = parser.parse_args()
    found: dict[str, list[tuple[str, float]]] = {}
    for walk in (see, query, module):
        if options.only in (None, walk.__name__):
            with tempfile.TemporaryDirectory(prefix="mewayz-first-hour-", dir="/var/tmp") as folder:
                Path(folder).chmod(0o755)  # as root PostgreSQL runs as another user, who must reach its data
                clone = Clone(Path(folder))
                try:
                    walk(clone)
                finally:
                    clone.down()
            found[walk.__name__] = clone.steps
    if options.json:
        print(json.dumps({name: {what: round(took, 1) for what, took in steps} for name, steps in found.items()}))
    else:
        print("\n".join(_table(name, steps) for name, steps in found.items()))


def _table(name: str, steps: list[tuple[str, float]]) -> str:
    rows = [f"| `{what.splitlines()[0]}` | {took:.1f} |" for what, took in steps]
    whole = sum(took for _, took in steps)
    busy = f"| load of the machine's {os.cpu_count()} cores, the last 15 minutes | {os.getloadavg()[2]:.1f} |"
    return "\n".join([f"\n| {name} | seconds |", "|---|--:|", *rows, f"| **together** | **{whole:.0f}** |", busy])


def _stranger(folder: Path) -> dict[str, str]:
    """Return the environment of one who has just come: an empty home and cache, nothing of this checkout."""
    mine = ("MEWAYZ", "VIRTUAL_ENV", "PYTHONPATH", "XDG_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(mine)}  # noqa: TID251 what is left is a stranger's
    return {**kept, "HOME": str(folder / "home"), "PIP_CACHE_DIR": str(folder / "cache"), "CI": "1"}


if __name__ == "__main__":
    main()
