"""Supergraphs of older composers are read, and planned as their own routers did."""

import pytest

from router.execution.prepared import Graph
from router.supergraph.sdl import parse_supergraph

FEDERATION_1 = """
schema @core(feature: "https://specs.apollo.dev/core/v0.1") @core(feature: "https://specs.apollo.dev/join/v0.1")
{ query: Query }
directive @core(feature: String!) repeatable on SCHEMA
directive @join__field(graph: join__Graph, requires: join__FieldSet, provides: join__FieldSet) on FIELD_DEFINITION
directive @join__type(graph: join__Graph!, key: join__FieldSet) repeatable on OBJECT | INTERFACE
directive @join__owner(graph: join__Graph!) on OBJECT | INTERFACE
directive @join__graph(name: String!, url: String!) on ENUM_VALUE
scalar join__FieldSet
enum join__Graph {
  ACCOUNTS @join__graph(name: "accounts" url: "http://a")
  PRODUCTS @join__graph(name: "products" url: "http://p")
  REVIEWS @join__graph(name: "reviews" url: "http://r")
}
type Query { me: User @join__field(graph: ACCOUNTS)  top: [Product] @join__field(graph: PRODUCTS)
  found: [Found] @join__field(graph: PRODUCTS) }
union Found = Product | Note
type Note { text: String size: Size }
type Size { width: Int }
type Product @join__owner(graph: PRODUCTS) @join__type(graph: PRODUCTS, key: "upc") @join__type(graph: REVIEWS, key: "upc") {
  upc: String! @join__field(graph: PRODUCTS)
  name: String @join__field(graph: PRODUCTS)
  price: Int @join__field(graph: PRODUCTS)
  tax: Int @join__field(graph: REVIEWS, requires: "price")
  reviews: [Review] @join__field(graph: REVIEWS)
}
type Review @join__owner(graph: REVIEWS) @join__type(graph: REVIEWS, key: "id") {
  id: ID! @join__field(graph: REVIEWS)
  author: User @join__field(graph: REVIEWS, provides: "username")
  product: Product @join__field(graph: REVIEWS)
}
type User @join__owner(graph: ACCOUNTS) @join__type(graph: ACCOUNTS, key: "id") @join__type(graph: REVIEWS, key: "id") {
  id: ID! @join__field(graph: ACCOUNTS)
  name: String @join__field(graph: ACCOUNTS)
  username: String @join__field(graph: ACCOUNTS)
  reviews: [Review] @join__field(graph: REVIEWS)
}
"""


@pytest.mark.parametrize(
    ("query", "subgraphs"),
    [
        ("{ me { id name } }", ["accounts"]),
        ("{ me { reviews { id author { username } product { upc } } } }", ["accounts", "reviews"]),
        ("{ me { reviews { author { name } } } }", ["accounts", "reviews", "accounts"]),
        ("{ top { name tax } }", ["products", "reviews"]),
        ("{ top { reviews { product { name } } } }", ["products", "reviews", "products"]),
        ("{ found { __typename ... on Note { text size { width } } ... on Product { name } } }", ["products"]),
    ],
)
def test_a_supergraph_of_federation_1_is_planned(query: str, subgraphs: list[str]) -> None:
    graph = Graph(parse_supergraph(FEDERATION_1))

    assert [one.subgraph for one in graph.prepare(query).compiled.plan.fetches] == subgraphs


def test_before_join_v03_a_unions_members_are_where_their_types_are() -> None:
    supergraph = parse_supergraph("""
        directive @join__type(graph: join__Graph!) repeatable on OBJECT
        enum join__Graph { A @join__graph(name: "a" url: "http://a") B @join__graph(name: "b" url: "http://b") }
        type Query @join__type(graph: A) { one: Either }
        union Either @join__type(graph: A) @join__type(graph: B) = Left | Right
        type Left @join__type(graph: A) { x: Int }
        type Right @join__type(graph: A) @join__type(graph: B) { y: Int }
        """)

    assert supergraph.types["Either"].members == {"Left": 0b01, "Right": 0b11}
