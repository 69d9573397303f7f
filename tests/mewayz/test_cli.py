"""The command line: quick help, exit codes, one sentence where nothing runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mewayz.compose import compose_modules
from tests.waiting import PATIENCE_S


def test_help_imports_nothing_heavy() -> None:
    code = """
import sys
sys.argv = ["mewayz", "--help"]
from mewayz.cli import main
try:
    main()
except SystemExit:
    print([name for name in ("sqlalchemy", "strawberry", "asyncpg", "nats", "graphql", "anyio") if name in sys.modules])
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["top"],
        ["stop", "crm"],
        ["start", "crm"],
        ["token", "--tenant", "lumen"],
        ["down"],
        ["demo", "logins"],
        ["secrets", "rotate"],
    ],
)
def test_without_a_running_platform_it_is_one_sentence_and_exit_code_3(tmp_path: Path, command: list[str]) -> None:
    done = _mewayz(*command, "--data", str(tmp_path))

    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr == f"✘ mewayz is not running with data in {tmp_path}.\n  → start it: ./justw up\n"


def test_other_subgraphs_are_composed_by_a_rover_file(tmp_path: Path) -> None:
    (tmp_path / "a.graphql").write_text("type Query { hello: String }")
    config = tmp_path / "supergraph.yaml"
    config.write_text("subgraphs:\n  a:\n    routing_url: http://a\n    schema: {file: a.graphql}\n")

    text = _mewayz("compose", "--config", str(config), "--output", str(tmp_path / "out.graphql"))
    document = _mewayz("compose", "--config", str(config), "--format", "json")

    assert text.returncode == document.returncode == 0
    assert 'A @join__graph(name: "a", url: "http://a")' in (tmp_path / "out.graphql").read_text()
    assert sorted(json.loads(document.stdout)) == ["errors", "hints", "supergraph"]
    assert json.loads(document.stdout)["errors"] == []


def test_composition_errors_exit_with_1_and_bad_usage_with_2(tmp_path: Path) -> None:
    config = tmp_path / "supergraph.yaml"
    config.write_text("subgraphs: {a: {routing_url: u, schema: {sdl: 'type Query { x: Nope }'}}}")

    broken = _mewayz("compose", "--config", str(config), "--format", "json")
    missing = _mewayz("compose", "--config", str(tmp_path / "none.yaml"))

    assert broken.returncode == 1
    assert json.loads(broken.stdout)["supergraph"] is None
    assert json.loads(broken.stdout)["errors"][0]["code"]
    assert missing.returncode == 2


def test_check_names_the_files_that_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compose_modules(check=False, into=tmp_path) == 0
    assert compose_modules(check=True, into=tmp_path) == 0
    (tmp_path / "supergraph.graphql").write_text("edited by hand")
    (tmp_path / "subgraphs" / "gone.graphql").write_text("of a module that is gone")

    assert compose_modules(check=True, into=tmp_path) == 1

    told = capsys.readouterr().err
    assert "supergraph.graphql is not what the modules say" in told
    assert "gone.graphql is not what the modules say" in told
    assert compose_modules(check=False, into=tmp_path) == 0
    assert not (tmp_path / "subgraphs" / "gone.graphql").exists()


def _mewayz(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mewayz", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
