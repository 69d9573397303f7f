"""Prepared operations: shared, bounded, and warm on a new supergraph before it is served."""

from router.execution.prepared import Graph
from tests.router.planning.test_features import shop

SUPERGRAPH = shop().graph.supergraph
QUERY = "query Q($n: Boolean!) { me { name @include(if: $n) reviews { text } } }"


def test_the_same_document_is_prepared_once() -> None:
    graph = Graph(SUPERGRAPH)

    assert graph.prepare(QUERY, "Q", {"n": True}) is graph.prepare(QUERY, "Q", {"n": True})
    assert graph.prepare(QUERY, "Q", {"n": True}) is not graph.prepare(QUERY, "Q", {"n": False})


def test_what_is_held_stays_below_the_bound() -> None:
    graph = Graph(SUPERGRAPH, cache_bytes=1 << 20)
    for number in range(400):
        graph.prepare(f"{{ a{number}: me {{ name }} }}")

    assert 10 < len(graph.operations()) < 60
    assert graph.operations()[-1][0] == "{ a399: me { name } }"


def test_a_new_graph_is_warm_with_what_the_old_one_knew() -> None:
    old, new = Graph(SUPERGRAPH), Graph(SUPERGRAPH)
    old.prepare(QUERY, "Q", {"n": True})
    old.prepare("{ me { name } }")

    assert new.warm([*old.operations(), ("{ gone }", None, ())]) == 2
    assert new.operations() == old.operations()
