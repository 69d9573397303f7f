"""Supergraph SDL and the model: what is printed reads back as the same model."""

import pytest
from graphql import parse

from router.errors import InvalidSupergraph
from router.supergraph.field_set import parse_field_set
from router.supergraph.model import Applied, Key, Kind, Source, graph_names
from router.supergraph.sdl import parse_supergraph, print_supergraph

HEAD = """
schema
  @link(url: "https://specs.apollo.dev/link/v1.0")
  @link(url: "https://specs.apollo.dev/join/v0.5", for: EXECUTION)
  @link(url: "https://specs.apollo.dev/inaccessible/v0.2", for: SECURITY)
  @link(url: "https://example.org/tenant/v1.0", import: ["@tenant"])
{ query: Query }

directive @inaccessible on FIELD_DEFINITION | OBJECT
directive @tenant(scope: Scope = TENANT) on OBJECT | FIELD_DEFINITION
directive @live(ms: Int = 50) on QUERY
directive @join__type(graph: join__Graph!) repeatable on OBJECT
enum join__Graph {
  CRM @join__graph(name: "crm", url: "module:crm")
  _3D @join__graph(name: "3d", url: "http://localhost:4000/graphql")
}
"""
BODY = '''
"""What is asked."""
type Query @join__type(graph: CRM) @join__type(graph: _3D) {
  """A deal."""
  deal(id: ID!, "how many" n: Int = 3): Deal @join__field(graph: CRM, provides: "name")
  both: Int @deprecated(reason: "say \\"no\\"")
}
interface Node @join__type(graph: CRM, key: "id") @join__type(graph: _3D, key: "id", isInterfaceObject: true) { id: ID! }
type Deal implements Node @join__implements(graph: CRM, interface: "Node")
  @join__type(graph: CRM, key: "id") @join__type(graph: CRM, key: "org { id } name")
  @join__type(graph: _3D, key: "id", resolvable: false, extension: true) @tenant(scope: TENANT) {
  id: ID!
  name: String @join__field(graph: CRM) @join__field(graph: _3D, external: true, type: "String!")
  box: Int @join__field(graph: _3D, requires: "name", override: "crm", overrideLabel: "percent(5)")
  secret: Int @inaccessible @join__field(graph: CRM, usedOverridden: true)
  ctx: Int @join__field(graph: CRM, contextArguments: [{name: "a", type: "Int", context: "crm__c", selection: "{ x }"}])
  views: Int @join__field
}
union U @join__type(graph: CRM) @join__unionMember(graph: CRM, member: "Deal") = Deal
enum E @join__type(graph: CRM) @join__type(graph: _3D) {
  A @join__enumValue(graph: CRM) @join__enumValue(graph: _3D)
  B @join__enumValue(graph: CRM)
}
input I @join__type(graph: CRM) { a: Int! = 3 b: [E!] = [A] }
scalar D @join__type(graph: CRM) @specifiedBy(url: "https://example.org")
type C @join__type(graph: CRM) @join__directive(graphs: [CRM], name: "connect", args: {x: 1}) { a: Int }
'''


def test_what_is_printed_reads_back_as_the_same_model() -> None:
    model = parse_supergraph(HEAD + BODY)
    text = print_supergraph(model)

    assert parse_supergraph(text) == model
    assert print_supergraph(parse_supergraph(text)) == text
    parse(text)


def test_the_model_holds_what_join_says() -> None:
    model = parse_supergraph(HEAD + BODY)
    deal = model.types["Deal"]

    assert [one.name for one in model.subgraphs] == ["crm", "3d"]
    assert deal.keys == (
        Key(0, parse_field_set("id")),
        Key(0, parse_field_set("org { id } name")),
        Key(1, parse_field_set("id"), resolvable=False),
    )
    assert deal.extensions == 0b10
    assert model.types["Node"].interface_objects == 0b10
    assert deal.fields["name"].sources == {0: Source(), 1: Source(external=True, type="String!")}
    assert deal.fields["views"].sources == {}
    assert set(deal.fields["id"].sources) == {0, 1}
    assert deal.applied == (Applied("tenant", {"scope": "TENANT"}),)
    assert model.types["E"].values["B"].subgraphs == 0b01
    assert model.types["I"].fields["b"].default == "[A]"
    assert model.types["C"].applied == (Applied("connect", {"x": "1"}, 0b01),)
    assert model.types["D"].kind is Kind.SCALAR


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("type Query {", "no GraphQL"),
        ("type Query { a: Int }", "no enum join__Graph"),
        (HEAD + "type Query @join__type(graph: X) { a: Int }", "names the subgraph X"),
        (HEAD + 'type Query @join__type(graph: CRM, key: "a {") { a: Int }', "no field set"),
    ],
)
def test_what_is_no_supergraph_is_refused_in_a_sentence(text: str, says: str) -> None:
    with pytest.raises(InvalidSupergraph, match=says):
        parse_supergraph(text)


def test_names_of_subgraphs_become_enum_values() -> None:
    assert graph_names(["crm", "3d", "a-b", "a_b", "A.B", "v_2"]) == ["CRM", "_3D", "A_B_1", "A_B_2", "A_B_3", "V_2_"]
