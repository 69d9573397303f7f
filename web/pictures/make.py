"""`./justw pictures`: draw the documentation's pictures again, from their sources and from the running platform.

Diagrams are docs/images/*.mmd, drawn by Mermaid in headless Chromium; Mermaid comes by package-lock.json, and nothing is
fetched while it draws. `up.svg` is what `./justw up` prints on a terminal, `graphiql.png` what Chromium shows of that
platform. Needs Chromium with fonts for Chinese (Debian: chromium, fonts-noto-cjk or fonts-wqy-zenhei).
"""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

from mewayz.modules import REPOSITORY
from tests.browser import browser
from tests.services import free_port
from tests.stories.graphiql import ask, open_panel, plan, result, sign_in

HERE = Path(__file__).parent
IMAGES = REPOSITORY / "docs" / "images"
COLUMNS = 96
QUERY = """query Customers {
  customers(first: 3, filter: {name: {contains: "ACME"}}) {
    nodes {
      name
      projects(first: 3) { name status }
      openInvoices { number balance { amount currency } }
      tickets(first: 3) { number status }
    }
  }
}"""
_PASSWORD = re.compile(r"(?<=  )[\w-]{16}(?=\s*$)", re.M)
_DRAW = """(async text => {
    const plain = {htmlLabels: false};
    mermaid.initialize({startOnLoad: false, theme: 'neutral', fontFamily: 'sans-serif', ...plain, flowchart: plain});
    return (await mermaid.render('picture', text)).svg;
})"""


def main() -> None:
    """Draw all."""
    draw_diagrams()
    photograph_platform()


def draw_diagrams() -> None:
    """Draw docs/images/*.mmd."""
    library = HERE / "node_modules" / "mermaid" / "dist" / "mermaid.min.js"
    if not library.exists():
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HERE, check=True)
    page_file = HERE / "node_modules" / "page.html"
    page_file.write_text('<!doctype html><meta charset="utf-8"><script src="mermaid/dist/mermaid.min.js"></script>')
    with browser() as page:
        page.open(page_file.as_uri())
        page.until("!!globalThis.mermaid")
        for source in sorted(IMAGES.glob("*.mmd")):
            svg = page.evaluate(f"{_DRAW}({json.dumps(source.read_text())})")
            source.with_suffix(".svg").write_text(_with_background(svg) + "\n")
            print(source.with_suffix(".svg").relative_to(REPOSITORY))


def photograph_platform() -> None:
    """Start a platform with demo data; keep what it prints, and what GraphiQL shows of it."""
    with tempfile.TemporaryDirectory(prefix="mewayz-pictures-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        port = free_port()
        process, terminal = _up(Path(folder), port)
        try:
            printed = _until(terminal, "nothing is lost")
            shown = printed.replace(f":{port} ", ":8000  ").replace(f":{port}", ":8000").replace(folder, "var")
            _export(_PASSWORD.sub("•" * 16, shown), IMAGES / "up.svg")
            _photograph_graphiql(Path(folder), port)
        finally:
            process.send_signal(signal.SIGINT)
            while process.poll() is None:
                _read(terminal)


def _photograph_graphiql(data: Path, port: int) -> None:
    command = [sys.executable, "-m", "mewayz", "demo", "logins", "--data", str(data)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    logins = {(tenant, role): (email, password) for email, password, tenant, role in (one.split("\t") for one in lines)}
    with browser(width=1440, height=860) as page:
        sign_in(page, f"http://localhost:{port}", *logins["lumen", "Owner"])
        ask(page, QUERY)
        result(page, "ACME")
        open_panel(page, "Plan of the last operation")
        plan(page)
        page.screenshot(IMAGES / "graphiql.png")
        print("docs/images/graphiql.png")


def _up(data: Path, port: int) -> tuple[subprocess.Popen[bytes], int]:
    terminal, inner = pty.openpty()
    command = [sys.executable, "-m", "mewayz", "up", "--data", str(data), "--port", str(port)]
    plain = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR")}  # noqa: TID251
    environment = {**plain, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    process = subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, env=environment)
    os.close(inner)
    return process, terminal


def _until(terminal: int, end: str) -> str:
    printed = b""
    while end.encode() not in printed:
        piece = _read(terminal)
        if not piece:
            sys.exit(f"✘ up ended:\n{printed.decode()}")
        printed += piece
    return printed.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # the other end is closed
        return b""


def _export(printed: str, path: Path) -> None:
    console = Console(record=True, width=COLUMNS, file=StringIO())
    console.print(Text.from_ansi("$ ./justw up\n\n" + printed.rstrip()))
    console.save_svg(str(path), title="mewayz")
    # Rich's picture names fonts of a web service: those of the machine do.
    text = path.read_text()
    start, end = text.index("@font-face"), text.rindex("@font-face")
    end = text.index("}", end) + 1
    path.write_text(text[:start] + text[end:].lstrip())
    print(path.relative_to(REPOSITORY))


def _with_background(svg: str) -> str:
    """Return a picture that can be read on a dark page, too."""
    return svg.replace('style="', 'style="background: white; ', 1)


if __name__ == "__main__":
    main()
