"""Every feature of federation, planned and executed over real subgraphs; the monolith is the oracle.

`fetches` is the fewest requests that will do.
"""

from typing import Any

import pytest

from tests.router.planning.world import World

pytestmark = pytest.mark.anyio


async def same(world: World, query: str, fetches: int, variables: dict[str, Any] | None = None) -> None:
    """Assert that the router answers what the monolith does, with no more requests than needed."""
    answer = await world.ask(query, variables)

    assert answer.errors == []
    assert answer.data == world.truth(query, variables)
    assert len(world.sent) == fetches, [one for one in world.sent]


def shop() -> World:
    ada: dict[str, Any] = {"id": "u1", "name": "Ada", "email": "ada@x"}
    bob: dict[str, Any] = {"id": "u2", "name": "Bob", "email": None}
    table: dict[str, Any] = {"id": "p1", "sku": {"code": "T", "lot": 1}, "title": "Table", "weight": 20, "price": 100}
    chair: dict[str, Any] = {"id": "p2", "sku": {"code": "C", "lot": 2}, "title": "Chair", "weight": 5, "price": None}
    for one in (table, chair):
        one["shipping"] = lambda row, _: None if row["price"] is None else row["weight"] * 2 + row["price"]
        one["costIn"] = lambda row, arguments: f"{row['price']} {arguments['currency']}"
        one["stock"] = {"id": f"s{one['id']}", "count": 3, "__typename": "Stock"}
    r1 = {"id": "r1", "text": "good", "author": ada, "product": table}
    r2 = {"id": "r2", "text": "bad", "author": bob, "product": chair}
    table["reviews"], chair["reviews"] = [r1], [r2]
    ada["reviews"], bob["reviews"] = [r1], [r2]
    return World(
        {
            "users": """
                type Query { me: User users: [User!]! }
                type User @key(fields: "id") { id: ID! name: String email: String }""",
            "products": """
                type Query { products: [Product!]! product(id: ID!): Product }
                type Product @key(fields: "id") @key(fields: "sku { code lot }") {
                  id: ID! sku: Sku! title: String weight: Int price: Int costIn(currency: String!): String }
                type Sku @shareable { code: String! lot: Int! }""",
            "stock": """
                type Product @key(fields: "sku { code lot }") {
                  sku: Sku! stock: Stock weight: Int @external price: Int @external
                  shipping: Int @requires(fields: "weight price") }
                type Sku @shareable { code: String! lot: Int! }
                type Stock @key(fields: "id") { id: ID! count: Int }""",
            "reviews": """
                type Review @key(fields: "id") { id: ID! text: String author: User product: Product }
                type User @key(fields: "id") { id: ID! reviews: [Review!]! }
                type Product @key(fields: "id") { id: ID! reviews: [Review!]! }""",
        },
        {"User": [ada, bob], "Product": [table, chair], "Review": [r1, r2]},
        {
            "me": ada,
            "users": [ada, bob],
            "products": [table, chair],
            "product": lambda _, arguments: {"p1": table, "p2": chair}.get(arguments["id"]),
        },
    )


async def test_fields_of_one_subgraph_are_one_fetch() -> None:
    await same(shop(), "{ me { id name email } users { n: name } }", 1)


async def test_an_entity_is_extended_by_its_key() -> None:
    await same(shop(), "{ users { name reviews { text } } }", 2)


async def test_keys_lead_through_a_third_subgraph() -> None:
    await same(shop(), "{ users { reviews { product { stock { count } } } } }", 4)


async def test_a_nested_key_and_requires_travel_together() -> None:
    await same(shop(), "{ products { title shipping stock { id count } } }", 2)


async def test_requires_is_fetched_though_the_client_does_not_ask_for_it() -> None:
    await same(shop(), "{ products { shipping } }", 2)


async def test_aliases_that_look_like_keys_do_no_harm() -> None:
    await same(shop(), "{ products { id: title sku: id weight: price shipping stock { id: count } } }", 2)


async def test_aliases_that_look_like_the_planners_own_do_no_harm() -> None:
    await same(shop(), "{ _1: products { _k1: title _f1: id _2: shipping __typename: weight } }", 2)


async def test_one_field_with_different_arguments() -> None:
    await same(shop(), '{ products { a: costIn(currency: "EUR") b: costIn(currency: "USD") } }', 1)


async def test_variables_go_where_they_are_used() -> None:
    query = 'query($id: ID!, $c: String = "EUR") { product(id: $id) { costIn(currency: $c) reviews { text } } }'
    await same(shop(), query, 2, {"id": "p2"})


async def test_fragments_merge_into_one_selection() -> None:
    query = """{ users { ...a ... on User { reviews { id } } } }
      fragment a on User { name reviews { text author { ...b } } } fragment b on User { email }"""
    await same(shop(), query, 3)


@pytest.mark.parametrize(("skipped", "fetches"), [(True, 1), (False, 2)])
async def test_what_is_skipped_is_not_fetched(skipped: bool, fetches: int) -> None:
    query = "query($s: Boolean!) { users { name reviews @skip(if: $s) { text } ... @include(if: $s) { email } } }"
    await same(shop(), query, fetches, {"s": skipped})


async def test_typename_anywhere() -> None:
    await same(shop(), "{ __typename users { __typename reviews { t: __typename } } }", 2)


async def test_only_typename_at_the_root_asks_nobody() -> None:
    await same(shop(), "{ __typename a: __typename }", 0)


async def test_introspection_is_answered_here() -> None:
    await same(shop(), '{ __schema { queryType { name } } __type(name: "User") { fields { name } } me { name } }', 1)


async def test_equal_entities_are_asked_once() -> None:
    world = shop()
    await world.ask("{ a: users { reviews { text } } b: users { reviews { text } } }")

    asked = [one for _, one in world.sent if "_entities" in one["query"]]
    assert [len(value) for one in asked for value in one["variables"].values()] == [2]
    assert len(asked) == 1


def media() -> World:
    book: dict[str, Any] = {"__typename": "Book", "id": "1", "title": "Emma", "pages": 300, "size": 5}
    film: dict[str, Any] = {"__typename": "Film", "id": "2", "title": "Heat", "minutes": 170, "size": 7}
    for one in (book, film):
        one["rating"] = int(one["id"]) * 2
        one["fee"] = lambda row, _: row["size"] * 10
        one["similar"] = [book, film]
    shelf = {"__typename": "Shelf", "id": "s", "best": film, "all": [book, film]}
    return World(
        {
            "library": """
                type Query { all: [Media!]! any: [Thing!]! shelf: Shelf }
                interface Media { id: ID! title: String size: Int similar: [Media!]! }
                union Thing = Book | Film
                type Shelf @key(fields: "id") { id: ID! best: Media all: [Thing!]! }
                type Book implements Media @key(fields: "id") {
                  id: ID! title: String size: Int pages: Int similar: [Media!]! }
                type Film implements Media @key(fields: "id") {
                  id: ID! title: String size: Int minutes: Int similar: [Media!]! }""",
            "ratings": """
                interface Media { id: ID! rating: Int fee: Int size: Int }
                type Book implements Media @key(fields: "id") {
                  id: ID! rating: Int size: Int @external fee: Int @requires(fields: "size") }
                type Film implements Media @key(fields: "id") {
                  id: ID! rating: Int size: Int @external fee: Int @requires(fields: "size") }""",
        },
        {"Book": [book], "Film": [film], "Shelf": [shelf]},
        {"all": [book, film], "any": [book, film], "shelf": shelf},
    )


async def test_an_interfaces_field_in_another_subgraph_is_one_fetch_for_all_types() -> None:
    await same(media(), "{ all { title rating } }", 2)


async def test_fragments_on_concrete_types() -> None:
    await same(media(), "{ all { __typename ... on Book { pages rating } ... on Film { minutes } } }", 2)


async def test_requires_behind_an_interface() -> None:
    await same(media(), "{ all { fee similar { fee ... on Film { rating } } } }", 2)


async def test_unions_by_members() -> None:
    await same(media(), "{ any { ... on Book { title fee } ... on Media { rating } } }", 2)


async def test_interface_below_an_object() -> None:
    await same(media(), "{ shelf { best { title rating } all { __typename ... on Film { rating } } } }", 2)


async def test_one_key_for_fields_of_different_kinds_in_a_union() -> None:
    await same(media(), "{ any { ... on Book { x: pages y: id } ... on Film { x: minutes y: id } } }", 1)


def accounts() -> World:
    admin: dict[str, Any] = {"__typename": "Admin", "id": "1", "name": "Ann", "level": 3}
    guest: dict[str, Any] = {"__typename": "Guest", "id": "2", "name": "Gus", "until": "May"}
    for one in (admin, guest):
        one["posts"] = [{"__typename": "Post", "id": f"p{one['id']}", "title": "Hi", "by": one}]
        one["greeting"] = lambda row, _: f"Dear {row['name']}"
    posts = [*admin["posts"], *guest["posts"]]
    return World(
        {
            "accounts": """
                type Query { accounts: [Account!]! }
                interface Account @key(fields: "id") { id: ID! name: String }
                type Admin implements Account @key(fields: "id") { id: ID! name: String level: Int }
                type Guest implements Account @key(fields: "id") { id: ID! name: String until: String }""",
            "blog": """
                type Query { posts: [Post!]! }
                type Post { id: ID! title: String by: Account! }
                type Account @key(fields: "id") @interfaceObject {
                  id: ID! posts: [Post!]! name: String @external greeting: String @requires(fields: "name") }""",
        },
        {"Admin": [admin], "Guest": [guest], "Post": posts},
        {"accounts": [admin, guest], "posts": posts},
    )


async def test_into_an_interface_object() -> None:
    await same(accounts(), "{ accounts { name posts { title } } }", 2)


async def test_within_an_interface_object_no_type_is_needed() -> None:
    await same(accounts(), "{ posts { title by { id posts { id } } } }", 1)


async def test_out_of_an_interface_object_by_the_interfaces_key() -> None:
    await same(accounts(), "{ posts { by { id name } } }", 2)


async def test_the_concrete_type_behind_an_interface_object() -> None:
    await same(accounts(), "{ posts { by { __typename posts { id } ... on Admin { level } } } }", 2)


async def test_requires_of_an_interface_object() -> None:
    await same(accounts(), "{ accounts { greeting } }", 2)
    await same(accounts(), "{ posts { by { greeting } } }", 3)


async def test_an_interface_objects_field_of_one_type_only() -> None:
    await same(accounts(), "{ accounts { ... on Guest { posts { id } } ... on Admin { level greeting } } }", 2)
    await same(accounts(), "{ posts { by { ... on Guest { posts { id } until } } } }", 2)
