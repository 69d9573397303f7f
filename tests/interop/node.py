"""Running the scripts of this folder under Node, where it is."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NODE_MODULES = os.environ.get("MEWAYZ_NODE_MODULES", "")  # noqa: TID251 where npm has put them is told by who runs this
PACKAGES = (
    "@apollo/gateway @apollo/composition @theguild/federation-composition "
    "@graphql-hive/gateway-runtime @graphql-mesh/transport-http graphql@16"
)

needs_node = pytest.mark.skipif(
    not NODE_MODULES or shutil.which("node") is None,
    reason=f"needs Node, and MEWAYZ_NODE_MODULES=FOLDER/node_modules after `npm install {PACKAGES}` in FOLDER",
)


def run_node(script: str, given: Any) -> Any:
    """Return what a script of this folder prints as JSON on its last line, given `given` as JSON."""
    command = ["node", str(Path(__file__).parent / script), str(Path(NODE_MODULES).resolve())]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
