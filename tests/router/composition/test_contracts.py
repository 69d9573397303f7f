"""Contracts: include and exclude by tag, and nothing left that no client can reach."""

from router.composition import compose
from router.composition.contracts import Contract, apply_contract
from router.supergraph.api_schema import api_schema
from router.supergraph.model import Supergraph
from router.supergraph.sdl import parse_supergraph, print_supergraph
from tests.router.composition.conftest import subgraphs_of

SDL = """\
### a
%2.3 @key @tag
type Query { deals: [Deal] @tag(name: "partner") staff: [Staff] @tag(name: "internal")
  e(e: E): E @tag(name: "partner") }
type Deal @key(fields: "id") {
  id: ID! @tag(name: "partner") name: String @tag(name: "partner") margin: Int @tag(name: "internal") owner: Staff
}
type Staff @tag(name: "internal") { name: String grade: Grade }
enum Grade { ONE }
enum E { X Y @tag(name: "internal") }
"""


def supergraph() -> Supergraph:
    made = compose(subgraphs_of(SDL)).supergraph
    assert made is not None
    return made


def shown(contract: Contract) -> set[str]:
    assert contract.supergraph is not None, contract.errors
    types = api_schema(contract.supergraph).type_map
    return {
        f"{name}.{field}"
        for name, one in types.items()
        if not name.startswith("__")
        for field in getattr(one, "fields", {})
    }


def test_what_is_excluded_goes_with_all_that_refers_to_it_or_is_reached_by_it_only() -> None:
    contract = apply_contract(supergraph(), exclude=["internal"])

    assert shown(contract) == {"Query.deals", "Query.e", "Deal.id", "Deal.name"}
    assert contract.supergraph is not None
    api = api_schema(contract.supergraph)
    assert "Grade" not in api.type_map
    assert list(api.type_map["E"].values) == ["X"]  # pyright: ignore[reportAttributeAccessIssue]


def test_only_what_is_included_stays() -> None:
    contract = apply_contract(supergraph(), include=["partner"])

    assert shown(contract) == {"Query.deals", "Query.e", "Deal.id", "Deal.name"}


def test_exclude_wins_over_include() -> None:
    contract = apply_contract(supergraph(), include=["partner", "internal"], exclude=["internal"])

    assert shown(contract) == {"Query.deals", "Query.e", "Deal.id", "Deal.name"}


def test_a_contract_without_a_query_is_refused() -> None:
    contract = apply_contract(supergraph(), include=["nobody"])

    assert contract.supergraph is None
    assert [one.code for one in contract.errors] == ["CONTRACT_EMPTY"]


def test_the_planner_still_sees_every_field() -> None:
    whole = supergraph()
    contract = apply_contract(whole, exclude=["internal"])

    assert contract.supergraph is not None
    assert {name: one.fields.keys() for name, one in contract.supergraph.types.items()} == {
        name: one.fields.keys() for name, one in whole.types.items()
    }


def test_a_contract_that_hides_a_required_argument_is_refused() -> None:
    made = compose(subgraphs_of('### a\n%2.3 @tag\ntype Query { a(x: Int! @tag(name: "internal")): Int }')).supergraph

    assert made is not None
    assert [one.code for one in apply_contract(made, exclude=["internal"]).errors] == ["REQUIRED_INACCESSIBLE"]


def test_a_contract_can_be_printed_and_read_back() -> None:
    contract = apply_contract(supergraph(), exclude=["internal"])

    assert contract.supergraph is not None
    assert parse_supergraph(print_supergraph(contract.supergraph)) == contract.supergraph
