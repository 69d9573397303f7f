"""What a new supergraph changes for clients."""

from router.composition import compose
from router.composition.diff import difference
from router.supergraph.model import Supergraph
from tests.router.composition.conftest import subgraphs_of


def supergraph(query: str) -> Supergraph:
    made = compose(subgraphs_of(f"### a\n%2.3 @inaccessible\n{query}")).supergraph
    assert made is not None
    return made


def test_changes_come_worst_first() -> None:
    old = supergraph("type Query { a: Int b: Int e: E }\nenum E { X }")
    new = supergraph("type Query { a: String c: Int e: E }\nenum E { X Y }")

    changes = difference(old, new).changes

    assert [(str(one.severity), one.code) for one in changes] == [
        ("BREAKING", "FIELD_CHANGED_KIND"),
        ("BREAKING", "FIELD_REMOVED"),
        ("DANGEROUS", "VALUE_ADDED_TO_ENUM"),
        ("SAFE", "FIELD_ADDED"),
    ]


def test_hiding_a_field_breaks_the_operations_that_use_it() -> None:
    old = supergraph("type Query { a: Int b: Int }")
    new = supergraph("type Query { a: Int b: Int @inaccessible }")
    stored = {"uses b": "{ b }", "uses a": "{ a }", "was never valid": "{ nope }", "is no GraphQL": "{"}

    found = difference(old, new, stored)

    assert [one.name for one in found.broken] == ["uses b"]
    assert (
        'Cannot query field "b"' in found.broken[0].reasons[0] or "Cannot query field 'b'" in found.broken[0].reasons[0]
    )


def test_the_same_supergraph_changes_nothing() -> None:
    assert difference(supergraph("type Query { a: Int }"), supergraph("type Query { a: Int }")).changes == ()
