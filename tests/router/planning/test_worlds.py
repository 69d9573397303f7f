"""Whole worlds, each with queries and the fewest fetches that answer them: what federation's features do together."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.router.planning.world import Row, World

pytestmark = pytest.mark.anyio
CASES: list[tuple[str, Callable[[], World], str, int]] = []


def case(
    name: str, subgraphs: dict[str, str], rows: dict[str, list[Row]], roots: dict[str, Any], *queries: tuple[str, int]
) -> None:
    """Note a world, and each query with the fetches it may need."""
    made: list[World] = []

    def world() -> World:
        if not made:
            made.append(World(subgraphs, rows, roots))
        return made[0]

    CASES.extend((name, world, query, fetches) for query, fetches in queries)


def value(row: Any, name: str, **arguments: Any) -> Any:
    """Return what a field of a row is, computed or told."""
    found = row[name]
    return found(row, arguments) if callable(found) else found


# simple-requires-provides
u = {"__typename": "User", "id": "u1", "username": "Ada", "name": "A"}
p = {
    "__typename": "Product",
    "upc": "p1",
    "name": "T",
    "price": 10,
    "weight": 5,
    "inStock": True,
    "shippingEstimate": lambda s, a: s["price"] * s["weight"],
    "shippingEstimateTag": lambda s, a: f"#{s['price']}",
}
r = {"__typename": "Review", "id": "r1", "body": "good", "author": u, "product": p}
u["reviews"] = [r]
p["reviews"] = [r]
case(
    "simple-requires-provides",
    {
        "accounts": 'type Query { me: User } type User @key(fields:"id") { id: ID! username: String @shareable name: String @shareable }',
        "inventory": 'type Product @key(fields:"upc") { upc: String! weight: Int @external price: Int @external inStock: Boolean shippingEstimate: Int @requires(fields:"price weight") shippingEstimateTag: String @requires(fields:"price") }',
        "products": 'type Query { products: [Product] } type Product @key(fields:"upc") { upc: String! name: String price: Int weight: Int }',
        "reviews": 'type Review @key(fields:"id") { id: ID! body: String author: User @provides(fields:"username") product: Product } type User @key(fields:"id") { id: ID! username: String @external reviews: [Review] } type Product @key(fields:"upc") { upc: String! reviews: [Review] }',
    },
    {"User": [u], "Product": [p], "Review": [r]},
    {"me": u, "products": [p]},
    ("{ me { reviews { id author { id username } product { inStock } } } }", 3),
    ("{ products { shippingEstimate shippingEstimateTag inStock reviews { author { username } } } }", 3),
    ("{ products { reviews { author { username name } } } }", 3),
    ("{ me { reviews { product { shippingEstimate } } } }", 4),
)
# nested-provides
cat = {"__typename": "Category", "id": "c1", "name": "N", "sub": None}
cat["sub"] = [{"__typename": "Category", "id": "c2", "name": "S", "sub": []}]
pr = {"__typename": "Product", "id": "1", "categories": [cat]}
case(
    "nested-provides",
    {
        "all": 'type Query { products: [Product!]! } type Product @key(fields:"id") { id: ID! categories: [Category!]! @shareable } type Category @key(fields:"id") { id: ID! name: String @shareable sub: [Category!]! @shareable }',
        "cats": 'type Query { things: [Product!]! @provides(fields:"categories { id name sub { id name } }") others: [Product!]! @provides(fields:"categories { id }") } type Product @key(fields:"id") { id: ID! categories: [Category!]! @external } type Category @key(fields:"id") { id: ID! name: String @external sub: [Category!]! @external }',
    },
    {"Product": [pr], "Category": [cat, cat["sub"][0]]},
    {"products": [pr], "things": [pr], "others": [pr]},
    ("{ things { id categories { id name } } }", 1),
    ("{ things { id categories { id name sub { id name } } } }", 1),
    ("{ others { categories { id name } } }", 2),
    ("{ things { categories { sub { id name sub { name } } } } }", 2),
)
# provides-on-interface
d1 = {"__typename": "Dog", "id": "d1", "name": "Rex", "age": 3}
ct = {"__typename": "Cat", "id": "k1", "name": "Tom", "age": 4}
m = {"__typename": "Book", "id": "b1", "animals": [d1, ct]}
case(
    "provides-on-interface",
    {
        "a": 'type Query { media: Media @shareable book: Book @provides(fields:"animals { ... on Dog { name } }") } interface Media { id: ID! } interface Animal { id: ID! } type Book implements Media @key(fields:"id") { id: ID! animals: [Animal] @shareable } type Dog implements Animal @key(fields:"id") { id: ID! name: String @external } type Cat implements Animal @key(fields:"id") { id: ID! }',
        "b": 'type Query { media: Media @shareable @provides(fields:"animals { id name }") } interface Media { id: ID! animals: [Animal] } interface Animal { id: ID! name: String } type Book implements Media @key(fields:"id") { id: ID! animals: [Animal] @external } type Dog implements Animal @key(fields:"id") { id: ID! name: String @external age: Int } type Cat implements Animal @key(fields:"id") { id: ID! name: String @external age: Int }',
        "c": 'interface Animal { id: ID! name: String } type Book @key(fields:"id") { id: ID! animals: [Animal] @shareable } type Dog implements Animal @key(fields:"id") { id: ID! name: String @shareable  } type Cat implements Animal @key(fields:"id") { id: ID! name: String @shareable  }',
    },
    {"Book": [m], "Dog": [d1], "Cat": [ct]},
    {"media": m, "book": m},
    ("{ media { id animals { id name } } }", 1),
    ("{ book { animals { id ... on Dog { name age } ... on Cat { name } } } }", 3),
    ("{ media { animals { id name ... on Cat { age } } } }", 1),
    ("{ book { animals { ... on Dog { name } } } }", 1),
)
# simple-interface-object
NAMED = {"__typename": "Admin2", "id": "u1", "name": "U", "username": "uu", "age": 11}
admins = [
    {"__typename": "Admin", "id": "a1", "isMain": True, "isActive": True, "name": "Boss", "accountType": "x"},
    {"__typename": "Regular", "id": "r1", "isMain": False, "isActive": False, "name": "Reg", "accountType": "y"},
]
case(
    "simple-interface-object",
    {
        "a": 'type Query { users: [NodeWithName!]! accounts: [Account] @shareable } interface NodeWithName @key(fields:"id") { id: ID! name: String username: String } type Admin2 implements NodeWithName @key(fields:"id") { id: ID! name: String username: String } interface Account @key(fields:"id") { id: ID! } type Admin implements Account @key(fields:"id") { id: ID! isMain: Boolean! isActive: Boolean! @shareable } type Regular implements Account @key(fields:"id") { id: ID! isMain: Boolean! isActive: Boolean! @shareable }',
        "b": 'type Query { anotherUsers: [NodeWithName] accounts: [Account] @shareable } type NodeWithName @key(fields:"id") @interfaceObject { id: ID! age: Int } type Account @key(fields:"id") @interfaceObject { id: ID! name: String! }',
        "c": 'type Account @key(fields:"id") @interfaceObject { id: ID! isActive: Boolean! @shareable accountType: String }',
    },
    {"Admin2": [NAMED], "Admin": [admins[0]], "Regular": [admins[1]]},
    {"users": [NAMED], "anotherUsers": [NAMED], "accounts": admins},
    ("{ users { id name age } }", 2),
    ("{ anotherUsers { id age } }", 1),
    ("{ anotherUsers { age name username } }", 2),
    ("{ anotherUsers { ... on Admin2 { id age name } } }", 2),
    ("{ anotherUsers { __typename age } }", 2),
    ("{ accounts { __typename } }", 1),
    ("{ accounts { name } }", 1),
    ("{ accounts { id ... on Admin { isMain } } }", 1),
    ("{ accounts { ... on Admin { name } } }", 2),
    ("{ accounts { __typename name } }", 2),
    ("{ accounts { isActive } }", 1),
    ("{ accounts { name isActive accountType } }", 2),
    ("{ accounts { ... on Regular { isMain accountType } name } }", 3),
)
# interface-object-indirect-extension
pp = {"__typename": "Movie", "id": "m1", "title": "T", "rank": 4, "stars": 9}
case(
    "io-indirect",
    {
        "a": 'interface Media @key(fields:"id") { id: ID! title: String } type Movie implements Media @key(fields:"id") { id: ID! title: String } type Query { x: Int }',
        "b": 'type Media @key(fields:"id") @interfaceObject { id: ID! rank: Int } type Query { top: Wrap } type Wrap { media: Media }',
        "c": 'type Media @key(fields:"id") @interfaceObject { id: ID! rank: Int @external stars: Int @requires(fields:"rank") }',
    },
    {"Movie": [pp]},
    {"top": {"__typename": "Wrap", "media": pp}, "x": 1},
    ("{ top { media { rank stars } } }", 2),
    ("{ top { media { title stars } } }", 3),
    ("{ top { media { __typename stars ... on Movie { title } } } }", 3),
    ("{ top { media { ... on Movie { stars } } } }", 3),
)
# requires-requires
q = {
    "__typename": "Product",
    "id": "p1",
    "price": 10,
    "hasDiscount": lambda s, a: s["price"] > 5,
    "isExpensive": lambda s, a: s["price"] > 5,
    "isExpensiveWithDiscount": lambda s, a: value(s, "hasDiscount"),
    "canAfford": lambda s, a: value(s, "isExpensive"),
    "canAfford2": lambda s, a: value(s, "isExpensive") and s["price"] > 1,
    "canAffordWithDiscount": lambda s, a: value(s, "isExpensiveWithDiscount"),
}
case(
    "requires-requires",
    {
        "a": 'type Query { product: Product } type Product @key(fields:"id") { id: ID! price: Float! }',
        "b": 'type Product @key(fields:"id") { id: ID! price: Float! @external hasDiscount: Boolean! @requires(fields:"price") }',
        "c": 'type Product @key(fields:"id") { id: ID! price: Float! @external hasDiscount: Boolean! @external isExpensive: Boolean! @requires(fields:"price") isExpensiveWithDiscount: Boolean! @requires(fields:"hasDiscount") }',
        "d": 'type Product @key(fields:"id") { id: ID! isExpensive: Boolean! @external price: Float! @external isExpensiveWithDiscount: Boolean! @external canAfford: Boolean! @requires(fields:"isExpensive") canAfford2: Boolean! @requires(fields:"isExpensive price") canAffordWithDiscount: Boolean! @requires(fields:"isExpensiveWithDiscount") }',
    },
    {"Product": [q]},
    {"product": q},
    ("{ product { canAfford } }", 3),
    ("{ product { canAfford canAfford2 } }", 3),
    ("{ product { canAffordWithDiscount } }", 4),
    ("{ product { canAfford canAffordWithDiscount } }", 4),
    ("{ product { canAfford2 canAffordWithDiscount isExpensive hasDiscount price } }", 4),
)
# requires-with-argument
ra = {
    "__typename": "Product",
    "upc": "p1",
    "weight": 5,
    "price": lambda s, a: 10 if a.get("currency") == "USD" else 9,
    "ship": lambda s, a: str(value(s, "price", currency="USD")),
}
case(
    "requires-with-argument",
    {
        "a": 'type Query { products: [Product] } type Product @key(fields:"upc") { upc: String! price(currency: String, withDiscount: Boolean): Int weight: Int }',
        "b": 'type Product @key(fields:"upc") { upc: String! weight: Int @external price(currency: String, withDiscount: Boolean): Int @external ship: String @requires(fields:"price(currency: \\"USD\\") weight") }',
    },
    {"Product": [ra]},
    {"products": [ra]},
    ('{ products { price(currency: "EUR") ship } }', 2),
    ('{ products { ship usd: price(currency: "USD") } }', 2),
    ("query($c: String){ products { price(currency: $c) ship } }", 2),
)
# fed1 external extension
fu = {"__typename": "User", "id": "u1", "rid": "x", "name": "N", "email": "e@x"}
case(
    "fed1-external-extension",
    {
        "a": 'type Query { randomUser: User providedRandomUser: User @provides(fields:"name") userById(id: ID): User } extend type User @key(fields:"id") { id: ID! @external name: String! @external rid: ID }',
        "b": 'type User @key(fields:"id") { id: ID! name: String! email: String } extend type Query { bb: Int }',
    },
    {"User": [fu]},
    {"randomUser": fu, "providedRandomUser": fu, "userById": fu},
    ("{ randomUser { id name } }", 2),
    ("{ providedRandomUser { id name rid } }", 1),
    ('{ userById(id: "u1") { id rid email } }', 2),
    ("{ randomUser { id rid } }", 1),
)
# enum-intersection / typename / include-skip
it = {
    "__typename": "Prod",
    "id": "p1",
    "price": 3,
    "isExp": lambda s, a: s["price"] > 1,
    "neverCalled": lambda s, a: s["price"],
    "include": True,
}
case(
    "include-skip",
    {
        "a": 'type Query { product: Prod } type Prod @key(fields:"id") { id: ID! price: Float! }',
        "b": 'type Prod @key(fields:"id") { id: ID! price: Float! @external isExp: Boolean! @requires(fields:"price") neverCalled: Int @requires(fields:"price") }',
        "c": 'type Prod @key(fields:"id") { id: ID!  include: Boolean }',
    },
    {"Prod": [it]},
    {"product": it},
    ("query($b: Boolean = false) { product { id price neverCalled @include(if: $b) } }", 1),
    ("query($b: Boolean = true) { product { id neverCalled @skip(if: $b) include } }", 2),
    ("query($b: Boolean = true) { product { ... @include(if: $b) { isExp } ... @skip(if: $b) { include } } }", 2),
    ("query($b: Boolean = true, $a: Boolean = false) { product { isExp @include(if: $b) @skip(if: $a) } }", 2),
)
# complex-entity-call
sel = {"__typename": "Product", "id": "1"}
cg = {"__typename": "Category", "tag": "t", "id": "c", "mainProduct": None, "details": "d"}
pc = {"__typename": "Product", "id": "1", "pid": "p1", "category": cg, "price": {"__typename": "Price", "price": 100}}
cg["mainProduct"] = pc
pl = {"__typename": "ProductList", "products": [pc], "first": pc, "selected": pc}
case(
    "complex-entity-call",
    {
        "link": 'type Product @key(fields:"id") @key(fields:"id pid") { id: String! @shareable pid: String! @shareable }',
        "list": 'type ProductList @key(fields:"products{id pid}") { products: [Product!]! first: Product @shareable selected: Product @shareable } type Product @key(fields:"id pid") { id: String! pid: String }',
        "price": 'type ProductList @key(fields:"products{id pid category{id tag}} selected{id}") { products: [Product!]! selected: Product @shareable first: Product @shareable } type Product @key(fields:"id pid category{id tag}") { id: String! price: Price pid: String category: Category @shareable } type Category @key(fields:"id tag") { id: String! tag: String @shareable } type Price { price: Float! }',
        "products": 'type Query { topProducts: ProductList! } type ProductList @key(fields:"products{id}") { products: [Product!]! } type Product @key(fields:"id") { id: String! category: Category @shareable } type Category @key(fields:"id") { id: String! tag: String @shareable details: String mainProduct: Product! }',
    },
    {"Product": [pc], "Category": [cg], "ProductList": [pl]},
    {"topProducts": pl},
    (
        "{ topProducts { products { id pid price { price } category { mainProduct { id } id tag } } selected { id } first { id } } }",
        4,
    ),
    ("{ topProducts { products { price { price } } } }", 3),
)


PARCEL: Row = {"__typename": "Parcel", "id": "1", "price": 5, "ship": lambda s, a: s["price"] * 2}
case(
    "back-by-a-key-that-is-not-resolvable",
    {
        "a": 'type Query { x: Int } type Parcel @key(fields: "id") { id: ID! price: Int }',
        "b": """type Query { parcel: Parcel } type Parcel @key(fields: "id", resolvable: false) {
            id: ID! price: Int @external ship: Int @requires(fields: "price") }""",
    },
    {"Parcel": [PARCEL]},
    {"parcel": PARCEL, "x": 1},
    ("{ parcel { ship } }", 3),
)


# compound keys that only a third subgraph completes
part = {
    "__typename": "Part",
    "id": "1",
    "sku": "s",
    "code": "c",
    "upc": "u",
    "weight": 2,
    "size": lambda s, a: s["weight"] * 10,
}
case(
    "no-subgraph-gives-its-own-key",
    {
        "sizes": 'type Query { unused: Int } type Part @key(fields:"id sku") @key(fields:"code upc") { id: ID! @shareable sku: ID! @shareable code: ID! @shareable upc: ID! @shareable weight: Int @external size: Int @requires(fields:"weight") }',
        "codes": 'type Part @key(fields:"sku upc") @key(fields:"code") { sku: ID! @shareable upc: ID! @shareable code: ID! @shareable }',
        "stock": 'type Query { parts: [Part] } type Part @key(fields:"sku upc") { sku: ID! @shareable upc: ID! @shareable weight: Int @shareable }',
    },
    {"Part": [part]},
    {"parts": [part]},
    ("{ parts { id sku } }", 3),
    ("{ parts { weight id size } }", 3),
)


# a shared field that returns a union or an interface here, and one of its types there
leaf: Row = {"__typename": "Leaf", "x": 1}
case(
    "shared-field-of-covariant-types",
    {
        "a": "type Query { u: U @shareable i: I @shareable n: Int } union U = Leaf interface I { x: Int } type Leaf implements I @shareable { x: Int }",
        "b": "type Query { u: Leaf @shareable i: Leaf @shareable m: Int } type Leaf @shareable { x: Int }",
    },
    {"Leaf": [leaf]},
    {"u": leaf, "i": leaf, "n": 1, "m": 2},
    ("{ u { ... on Leaf { x } } m }", 1),
    ("{ u { __typename } i { x } m }", 1),
    ("{ u { ... on Leaf { x } } i { __typename x } n }", 1),
)


@pytest.mark.parametrize(
    ("name", "world", "query", "fetches"), CASES, ids=[f"{one[0]}-{n}" for n, one in enumerate(CASES)]
)
async def test_the_answer_is_the_monoliths_with_the_fewest_fetches(
    name: str, world: Callable[[], World], query: str, fetches: int
) -> None:
    made = world()

    answer = await made.ask(query)

    assert answer.errors == []
    assert answer.data == made.truth(query)
    assert len(made.sent) == fetches
