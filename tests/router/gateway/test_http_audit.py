"""The GraphQL-over-HTTP audits of npm's graphql-http, where Node and the package are: all of MUST and SHOULD hold."""

import json
from collections import Counter
from pathlib import Path

import anyio
import pytest

from tests.interop.node import NODE_MODULES, needs_node
from tests.router.gateway.world import world

pytestmark = [pytest.mark.anyio, needs_node]
SCRIPT = Path(__file__).with_name("http_audit.mjs")
MODULES = str(Path(NODE_MODULES).resolve())


@pytest.mark.skipif(not (Path(NODE_MODULES) / "graphql-http").is_dir(), reason="needs `npm install graphql-http@1.23`")
async def test_every_must_and_should_of_graphql_over_http_holds(tmp_path: Path) -> None:
    """security.md, threat 19"""
    async with world(tmp_path) as here:
        await here.start()
        command = ["node", str(SCRIPT), MODULES, f"{here.url}/graphql", here.token()]
        done = await anyio.run_process(command)

    results = json.loads(done.stdout.splitlines()[-1])
    counts = Counter(one["name"].split()[0] for one in results)
    failed = [one for one in results if one["status"] != "ok" and not one["name"].startswith("MAY")]
    assert failed == []
    assert counts["MUST"] >= 13
    assert counts["SHOULD"] >= 23
