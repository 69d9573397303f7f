"""The project's own supergraph in @apollo/gateway and Hive Gateway: the same data as our router, from the real modules."""

from pathlib import Path
from typing import Any

import pytest
from graphql import FragmentDefinitionNode, OperationDefinitionNode, parse, print_ast

from mewayz.modules import REPOSITORY
from tests.interop.door import Door
from tests.interop.node import needs_node, run_node
from tests.services import Platform

HERE = Path(__file__).parent
GATEWAYS = ("@apollo/gateway", "Hive Gateway")

pytestmark = [needs_node, pytest.mark.xdist_group("interop"), pytest.mark.timeout(240)]


def operations() -> dict[str, str]:
    """Return the operations of operations.graphql by name, each with the fragments."""
    document = parse((HERE / "operations.graphql").read_text())
    fragments = [print_ast(one) for one in document.definitions if isinstance(one, FragmentDefinitionNode)]
    return {
        one.name.value: "\n".join([text, *fragments]) if "..." in (text := print_ast(one)) else text
        for one in document.definitions
        if isinstance(one, OperationDefinitionNode) and one.name
    }


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each router answers to each operation: router -> operation -> answer.

    Ours is asked before and after the others: until both agree the modules are still hearing of the demo data.
    """
    asked = operations()
    platform = Platform(tmp_path_factory.mktemp("interop"), "--demo-scale", "0", demo=True)
    platform.start(timeout_s=200)
    try:
        token = platform.token("lumen")
        for _ in range(5):
            before = {name: platform.graphql(query, token=token) for name, query in asked.items()}
            with Door(platform, token) as door:
                others = _others(door, list(asked.values()), list(asked))
            after = {name: platform.graphql(query, token=token) for name, query in asked.items()}
            if before == after:
                return {"ours": after, **others}
        pytest.fail("the data did not come to rest")
    finally:
        platform.stop()


def _others(door: Door, queries: list[str], names: list[str]) -> dict[str, dict[str, Any]]:
    supergraph = (REPOSITORY / "schema" / "supergraph.graphql").read_text()
    for slug in (one.stem for one in (REPOSITORY / "schema" / "subgraphs").glob("*.graphql")):
        supergraph = supergraph.replace(f'url: "module:{slug}"', f'url: "{door.url_of(slug)}"')
    operations = [{"query": query, "variables": {}} for query in queries]
    found = run_node("gateways.mjs", {"supergraph": supergraph, "operations": operations})
    return {gateway: dict(zip(names, answers, strict=True)) for gateway, answers in found.items()}


@pytest.mark.parametrize("gateway", GATEWAYS)
@pytest.mark.parametrize("name", list(operations()))
def test_another_router_answers_the_same_data_from_our_supergraph(
    answers: dict[str, dict[str, Any]], gateway: str, name: str
) -> None:
    theirs, ours = answers[gateway][name], answers["ours"][name]

    assert not ours.get("errors"), ours["errors"]
    assert not theirs.get("errors"), theirs["errors"]
    assert theirs["data"] == ours["data"]
