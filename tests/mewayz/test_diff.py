"""`mewayz diff` and `mewayz compose --config`, as a stranger runs them: two files in, a verdict and an exit code out."""

import json
import subprocess
import sys
from pathlib import Path

from tests.waiting import PATIENCE_S

LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])\n'


def _mewayz(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mewayz", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)


def _config(folder: Path, **sdls: str) -> Path:
    config = folder / "supergraph.yaml"
    entries = {name: {"routing_url": f"http://{name}", "schema": {"sdl": sdl}} for name, sdl in sdls.items()}
    config.write_text(json.dumps({"subgraphs": entries}))
    return config


def _supergraph(folder: Path, name: str, sdl: str) -> Path:
    output = folder / name
    assert _mewayz("compose", "--config", _config(folder, a=sdl), "--output", output).returncode == 0
    return output


def test_a_removed_field_is_breaking_and_names_the_stored_operations_that_break(tmp_path: Path) -> None:
    old = _supergraph(tmp_path, "old.graphql", "type Query { a: Int b: Int }")
    new = _supergraph(tmp_path, "new.graphql", "type Query { a: Int c: Int }")
    stored = tmp_path / "operations"
    stored.mkdir()
    (stored / "fine.graphql").write_text("{ a }")
    (stored / "old.graphql").write_text("{ nope }")
    (stored / "manifest.json").write_text(json.dumps({"operations": [{"id": "1", "name": "UsesB", "body": "{ b }"}]}))

    text = _mewayz("diff", old, new, "--operations", stored)
    document = json.loads(_mewayz("diff", old, new, "--operations", stored, "--format", "json").stdout)

    assert text.returncode == 1
    assert "BREAKING FIELD_REMOVED" in text.stdout
    assert text.stdout.splitlines()[-1] == "1 breaking, 0 dangerous, 1 safe; 1 of 3 stored operations break"
    assert "old.graphql is no valid operation" in text.stderr
    assert [one["name"] for one in document["broken"]] == ["manifest.json#UsesB"]
    assert [one["severity"] for one in document["changes"]] == ["BREAKING", "SAFE"]


def test_what_breaks_nobody_exits_with_0_and_a_wrong_file_with_2(tmp_path: Path) -> None:
    old = _supergraph(tmp_path, "old.graphql", "type Query { a: Int }")
    new = _supergraph(tmp_path, "new.graphql", "type Query { a: Int b: Int }")
    (tmp_path / "no.graphql").write_text("type {")

    assert _mewayz("diff", old, new).returncode == 0
    assert _mewayz("diff", old, tmp_path / "no.graphql").returncode == 2
    assert _mewayz("diff", old, tmp_path / "missing.graphql").returncode == 2
    assert _mewayz("diff", old, new, "--operations", tmp_path / "missing").returncode == 2


def test_tenancy_can_be_required_of_subgraphs_that_never_heard_of_it(tmp_path: Path) -> None:
    config = _config(tmp_path, a="type Query { a: Int }")

    required = _mewayz("compose", "--config", config, "--require-tenancy", "--format", "json")

    assert _mewayz("compose", "--config", config).returncode == 0
    assert required.returncode == 1
    assert [one["code"] for one in json.loads(required.stdout)["errors"]] == ["TENANT_UNSCOPED"]


def test_a_hint_about_an_outage_that_reaches_far_is_shown(tmp_path: Path) -> None:
    home = 'type Query { t: T } type T @key(fields: "id") { id: ID! a: Int b: Int }'
    config = _config(tmp_path, a=LINK + home, b=LINK + 'type T @key(fields: "id") { id: ID! far: Int! }')

    done = _mewayz("compose", "--config", config)

    assert done.returncode == 0
    assert "INFO NONNULL_BLAST_RADIUS: T.far is non-null and comes from" in done.stderr
    assert done.stdout.startswith("schema")
