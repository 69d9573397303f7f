"""The corners of federation: provided fields, partial unions, parents entered again, null keys, mutations."""

from typing import Any

import pytest

from router.errors import ModuleUnavailable, Unplannable
from router.execution.prepared import Graph
from router.supergraph.sdl import parse_supergraph, print_supergraph
from tests.router.planning.test_features import same
from tests.router.planning.world import World

pytestmark = pytest.mark.anyio


def catalogue() -> World:
    """Provided fields: on an object, nested, on an interface and on a union."""
    drama = {"__typename": "Genre", "id": "g1", "name": "Drama", "mood": "dark"}
    heat: dict[str, Any] = {"__typename": "Film", "id": "f1", "title": "Heat", "genre": drama, "year": 1995}
    emma: dict[str, Any] = {"__typename": "Book", "id": "b1", "title": "Emma", "genre": drama, "year": 1815}
    return World(
        {
            "lists": """
                type Query { film: Film @provides(fields: "title genre { name }") other: Film
                  media: [Media!]! @provides(fields: "title ... on Film { year }")
                  things: [Thing!]! @provides(fields: "... on Book { title }") }
                interface Media { id: ID! title: String }
                union Thing = Film | Book
                type Film implements Media @key(fields: "id") {
                  id: ID! title: String @external year: Int @external genre: Genre @external }
                type Book implements Media @key(fields: "id") { id: ID! title: String @external }
                type Genre @key(fields: "id") { id: ID! name: String @external }""",
            "films": """
                type Film @shareable @key(fields: "id") { id: ID! title: String year: Int genre: Genre }
                type Book @shareable @key(fields: "id") { id: ID! title: String year: Int genre: Genre }
                type Genre @shareable @key(fields: "id") { id: ID! name: String mood: String }""",
        },
        {"Film": [heat], "Book": [emma], "Genre": [drama]},
        {"film": heat, "other": heat, "media": [heat, emma], "things": [heat, emma]},
    )


async def test_a_provided_field_needs_no_fetch() -> None:
    await same(catalogue(), "{ film { title genre { name } } }", 1)


async def test_provided_only_on_that_way() -> None:
    await same(catalogue(), "{ other { title } }", 2)


async def test_what_is_not_provided_below_a_provided_object_is_fetched() -> None:
    await same(catalogue(), "{ film { genre { name mood } } }", 2)


async def test_provided_on_an_interface_by_type() -> None:
    await same(catalogue(), "{ media { id title ... on Film { year } } }", 1)
    await same(catalogue(), "{ media { ... on Book { title } } }", 1)


async def test_provided_on_a_union() -> None:
    await same(catalogue(), "{ things { ... on Book { title } } }", 1)
    await same(catalogue(), "{ things { ... on Book { title } ... on Film { title } } }", 2)


def houses() -> World:
    """A keyless object with parts in two subgraphs; parents entered again for the other part."""
    category = {"__typename": "Category", "id": "c1", "name": "Oak", "details": "hard"}
    one: dict[str, Any] = {"__typename": "Product", "id": "1", "pid": "p1", "name": "Table", "category": category}
    return World(
        {
            "a": """
                type Query { productA: Product }
                type Product @key(fields: "id") { id: ID! category: Category @shareable }
                type Category { details: String }""",
            "b": """
                type Query { productB: Product }
                type Product @key(fields: "id") @key(fields: "pid") {
                  id: ID! pid: ID! category: Category @shareable }
                type Category @key(fields: "id", resolvable: false) { id: ID! }""",
            "c": """
                type Query { productC: Product list: [Product!]! }
                type Product @key(fields: "pid") { pid: ID! name: String }
                type Category @key(fields: "id") { id: ID! name: String }""",
        },
        {"Product": [one], "Category": [category]},
        {"productA": one, "productB": one, "productC": one, "list": [one, one]},
    )


async def test_parts_of_a_keyless_object_are_joined() -> None:
    await same(houses(), "{ productB { category { id details } } }", 2)


async def test_the_parent_is_entered_again_by_another_key() -> None:
    await same(houses(), "{ productC { name category { id name details } } }", 4)
    await same(houses(), "{ list { name category { id name details } } }", 4)


async def test_a_part_needs_the_other_only_where_wanted() -> None:
    await same(houses(), "{ productA { category { details } } }", 1)


def unions() -> World:
    """Two subgraphs that know different members of one union, and of one enum."""
    common = {"__typename": "Common", "label": "both"}
    only_a, only_b = {"__typename": "OnlyA", "a": "a"}, {"__typename": "OnlyB", "b": "b"}
    box = {"__typename": "Box", "id": "1", "held": only_a, "heldB": only_b, "all": [common, only_a]}
    return World(
        {
            "a": """
                type Query { box: Box shared: Held @shareable }
                type Box @key(fields: "id") { id: ID! held: Held @shareable all: [Held!] @shareable }
                union Held = Common | OnlyA
                type Common @shareable { label: String }  type OnlyA { a: String }""",
            "b": """
                type Query { shared: Held @shareable }
                type Box @key(fields: "id") { id: ID! held: Held @shareable all: [Held!] @shareable heldB: Held }
                union Held = Common | OnlyB
                type Common @shareable { label: String }  type OnlyB { b: String }""",
        },
        {"Box": [box]},
        {"box": box, "shared": common},
    )


async def test_only_members_that_all_who_might_answer_know_are_asked() -> None:
    answer = await unions().ask("{ box { all { __typename ... on Common { label } ... on OnlyA { a } } } }")

    assert answer.errors == []
    assert answer.data == {
        "box": {"all": [{"__typename": "Common", "label": "both"}, {"__typename": "OnlyA", "a": None}]}
    }


async def test_members_of_the_one_subgraph_that_answers() -> None:
    await same(unions(), "{ box { heldB { __typename ... on OnlyB { b } ... on Common { label } } } }", 2)


async def test_a_shared_root_union_asks_one() -> None:
    await same(unions(), "{ shared { __typename ... on Common { label } ... on OnlyB { b } } }", 1)


def keys() -> World:
    """Null keys, compound keys, keys that lead nowhere."""
    ada, bob = ({"__typename": "User", "id": None, "email": "a", "name": "A"}, {"id": "2", "email": "b", "name": "B"})
    ada["pet"], bob["pet"] = None, {"__typename": "Pet", "id": "9", "name": "Rex"}
    return World(
        {
            "a": 'type Query { users: [User] } type User @key(fields: "id") { id: ID email: String }',
            "b": """type User @key(fields: "id") { id: ID name: String pet: Pet }
                type Pet @key(fields: "id", resolvable: false) { id: ID! }""",
            "c": 'type Pet @key(fields: "id") { id: ID! name: String! }',
        },
        {"User": [ada, bob], "Pet": [bob["pet"]]},
        {"users": [ada, None, bob]},
    )


async def test_an_entity_with_a_null_key_is_left_as_it_is() -> None:
    answer = await keys().ask("{ users { email name pet { name } } }")

    assert answer.errors == []
    assert answer.data == {
        "users": [
            {"email": "a", "name": None, "pet": None},
            None,
            {"email": "b", "name": "B", "pet": {"name": "Rex"}},
        ]
    }


def overridden(labels: frozenset[str] = frozenset()) -> World:
    one = {"__typename": "Bill", "id": "1", "total": 5, "paid": True}
    return World(
        {
            "old": 'type Query { bill: Bill } type Bill @key(fields: "id") { id: ID! total: Int paid: Boolean }',
            "new": """type Bill @key(fields: "id") { id: ID! total: Int @override(from: "old")
                paid: Boolean @override(from: "old", label: "percent(5)") }""",
        },
        {"Bill": [one]},
        {"bill": one},
        labels=labels,
    )


async def test_an_overridden_field_is_asked_of_the_new_owner() -> None:
    world = overridden()
    await same(world, "{ bill { total } }", 2)
    await same(world, "{ bill { paid } }", 1)


async def test_a_label_that_is_on_moves_the_field() -> None:
    await same(overridden(frozenset({"percent(5)"})), "{ bill { paid } }", 2)


def requiring() -> World:
    """@requires with arguments that differ, with fragments, in chains and of nested fields."""
    heat: dict[str, Any] = {"__typename": "Film", "id": "1", "minutes": 170}
    emma: dict[str, Any] = {"__typename": "Book", "id": "2", "pages": 300}
    for one in (heat, emma):
        one["price"] = lambda row, arguments: {"EUR": 1, "USD": 2}[arguments["in"]]
    shop: dict[str, Any] = {
        "__typename": "Shop", "id": "1", "main": heat, "all": [heat, emma], "base": 3,
        "price": lambda row, arguments: {"EUR": 10, "USD": 20}[arguments["in"]],
        "euro": lambda row, _: "e" + str(_called(row["price"], row, {"in": "EUR"})),
        "dollar": lambda row, _: "d" + str(_called(row["price"], row, {"in": "USD"})),
        "length": lambda row, _: str(_held(row["main"]).get("minutes")),
        "twice": lambda row, _: _called(row["base"], row, {}) * 2,
        "four": lambda row, _: _called(row["twice"], row, {}) * 2,
        "eight": lambda row, _: _called(row["four"], row, {}) * 2,
    }  # fmt: skip
    return World(
        {
            "a": """
                type Query { shop: Shop }
                type Shop @key(fields: "id") { id: ID! price(in: String!): Int base: Int main: Media all: [Media!]
                  twice: Int @external four: Int @requires(fields: "twice") }
                interface Media { id: ID! }
                type Film implements Media @key(fields: "id") { id: ID! minutes: Int @shareable }
                type Book implements Media @key(fields: "id") { id: ID! pages: Int @shareable }""",
            "b": """
                type Shop @key(fields: "id") { id: ID! price(in: String!): Int @external base: Int @external
                  four: Int @external main: Media @external
                  euro: String @requires(fields: "price(in: \\"EUR\\")")
                  dollar: String @requires(fields: "price(in: \\"USD\\")")
                  length: String @requires(fields: "main { ... on Film { minutes } ... on Book { pages } }")
                  twice: Int @requires(fields: "base") eight: Int @requires(fields: "four") }
                interface Media { id: ID! }
                type Film implements Media @key(fields: "id") { id: ID! minutes: Int @external }
                type Book implements Media @key(fields: "id") { id: ID! pages: Int @external }""",
        },
        {"Shop": [shop], "Film": [heat], "Book": [emma]},
        {"shop": shop},
    )


def _called(value: Any, row: Any, arguments: dict[str, Any]) -> Any:
    return value(row, arguments) if callable(value) else value


def _held(value: Any) -> dict[str, Any]:
    return getattr(value, "row", value)


async def test_requires_with_different_arguments_of_one_field_are_told_apart() -> None:
    await same(requiring(), "{ shop { euro dollar } }", 2)
    await same(requiring(), '{ shop { price(in: "USD") euro } }', 2)


async def test_requires_with_fragments() -> None:
    await same(requiring(), "{ shop { length } }", 2)


async def test_a_chain_of_requires_between_two_subgraphs() -> None:
    await same(requiring(), "{ shop { eight } }", 4)
    await same(requiring(), "{ shop { twice eight euro } }", 4)


def counters() -> World:
    state = {"value": 0}
    log: list[str] = []

    def add(_: Any, arguments: dict[str, Any]) -> int:
        state["value"] += arguments["by"]
        log.append(f"add {arguments['by']}")
        return state["value"]

    def double(*_: Any) -> dict[str, Any]:
        state["value"] *= 2
        log.append("double")
        return {"__typename": "Counter", "id": "1", "value": state["value"], "unit": "m"}

    world = World(
        {
            "a": """type Query { q: Int } type Mutation { add(by: Int!): Int }
                type Counter @key(fields: "id") { id: ID! unit: String }""",
            "b": 'type Mutation { double: Counter } type Counter @key(fields: "id") { id: ID! value: Int }',
        },
        {"Counter": [{"id": "1", "unit": "m"}]},
        {"q": 1, "add": add, "double": double},
    )
    world.rows["Counter"][0]["log"] = log
    return world


async def test_mutations_run_in_the_documents_order() -> None:
    world = counters()
    answer = await world.ask("mutation { x: add(by: 1) d: double { value unit } y: add(by: 2) z: add(by: 3) }")

    assert answer.errors == []
    assert answer.data == {"x": 1, "d": {"value": 2, "unit": "m"}, "y": 4, "z": 7}
    assert list(answer.data) == ["x", "d", "y", "z"]


async def test_mutations_in_a_row_that_one_subgraph_answers_whole_share_a_request() -> None:
    world = counters()
    await world.ask("mutation { x: add(by: 1) d: double { value unit } y: add(by: 2) z: add(by: 3) }")
    assert [name for name, _ in world.sent] == ["a", "b", "a", "a"]

    await world.ask("mutation { d: double { value unit } e: double { value } f: double { value } }")
    assert [name for name, _ in world.sent] == ["b", "a", "b"]


async def test_a_failed_mutation_does_not_stop_the_next() -> None:
    world = counters()
    world.down["b"] = ModuleUnavailable("b")
    answer = await world.ask("mutation { d: double { value unit } y: add(by: 2) }")

    assert answer.data == {"d": None, "y": 2}
    assert [one["path"] for one in answer.errors] == [["d"]]


async def test_fed1_extends_and_value_types() -> None:
    ada = {"__typename": "User", "id": "1", "name": "Ada", "rank": 1, "label": lambda row, _: row["name"] + "!"}
    world = World(
        {
            "a": 'extend type Query { user: User } type User @key(fields: "id") { id: ID! name: String }'.replace(
                "extend type X { y: Int }", ""
            ),
            "b": """extend type Query { ranked: User @provides(fields: "name") }
                extend type User @key(fields: "id") { id: ID! @external name: String @external rank: Int
                  label: String @requires(fields: "name") }""",
        },
        {"User": [ada]},
        {"user": ada, "ranked": ada},
    )
    await same(world, "{ user { name rank label } }", 2)
    await same(world, "{ ranked { id rank name } }", 1)


async def test_fields_of_one_key_that_differ_in_nullability_get_keys_of_their_own() -> None:
    a, b = {"__typename": "A", "id": "1", "n": 1}, {"__typename": "B", "id": "2", "n": 2}
    world = World(
        {
            "x": """type Query { all: [U!]! } union U = A | B
                type A { id: ID @shareable n: Int! @shareable } type B { id: ID! n: Int }""",
            "y": "type Query { y: A } type A @shareable { id: ID n: Int }",
        },
        {"A": [a], "B": [b]},
        {"all": [a, b], "y": a},
    )
    await same(world, "{ all { ... on A { n i: id } ... on B { n } } y { n } }", 2)


def indirect() -> World:
    """An interface object that extends an interface reached only through a third subgraph."""
    post = {"__typename": "Post", "id": "1", "title": "Hi", "views": 3}
    return World(
        {
            "a": """type Query { feed: [Entry!]! } type Entry @key(fields: "id") { id: ID! item: Item }
                interface Item @key(fields: "id") { id: ID! }
                type Post implements Item @key(fields: "id") { id: ID! }""",
            "b": 'type Item @interfaceObject @key(fields: "id") { id: ID! views: Int }',
            "c": 'type Post @key(fields: "id") { id: ID! title: String }',
        },
        {"Post": [post], "Entry": [{"id": "e", "item": post}]},
        {"feed": [{"__typename": "Entry", "id": "e", "item": post}]},
    )


async def test_an_interface_objects_field_on_a_type_of_a_third_subgraph() -> None:
    await same(indirect(), "{ feed { item { views ... on Post { title views } } } }", 3)


async def test_a_field_that_nobody_can_be_asked_for_is_named() -> None:
    world = shop_without_way()
    with pytest.raises(Unplannable, match=r"User\.secret cannot be fetched at me\.secret \(b: "):
        world.prepare("{ me { secret } }")


def shop_without_way() -> World:
    world = World(
        {
            "a": 'type Query { me: User } type User @key(fields: "id") { id: ID! }',
            "b": 'type User @key(fields: "id") { id: ID! secret: Int }',
        },
        {"User": []},
        {"me": None},
    )
    sdl = print_supergraph(world.graph.supergraph).replace(
        'graph: B, key: "id"', 'graph: B, key: "id", resolvable: false'
    )
    world.graph = Graph(parse_supergraph(sdl))
    return world


async def test_the_root_reached_again_from_inside_the_answer() -> None:
    user = {"__typename": "User", "id": "1", "name": "Ada"}
    query: dict[str, Any] = {"__typename": "Query", "me": user, "n": 3}
    world = World(
        {
            "a": "type Query { n: Int } type Mutation { act: Payload } type Payload { ok: Boolean query: Query }",
            "b": 'type Query { me: User } type User @key(fields: "id") { id: ID! name: String }',
        },
        {"User": [user]},
        {"act": {"__typename": "Payload", "ok": True, "query": query}, "me": user, "n": 3},
    )
    answer = await world.ask("mutation { act { ok query { __typename m: me { name } n } } }")

    assert answer.errors == []
    assert answer.data == {"act": {"ok": True, "query": {"__typename": "Query", "m": {"name": "Ada"}, "n": 3}}}
    assert [(name, one["query"].split("{")[0]) for name, one in world.sent[:1]] == [("a", "mutation")]


def lists() -> World:
    """Keys that hold lists of objects, with parts of the objects in a third subgraph."""
    toys = {"__typename": "Category", "id": "c1", "tag": "toys"}
    one: dict[str, Any] = {"__typename": "Product", "id": "1", "pid": "p1", "category": toys, "price": 10}
    two: dict[str, Any] = {"__typename": "Product", "id": "2", "pid": "p2", "category": toys, "price": 20}
    toys["main"] = one
    row = {"__typename": "ProductList", "products": [one, two], "first": one, "selected": two}
    return World(
        {
            "products": """
                type Query { top: ProductList! }
                type ProductList @key(fields: "products { id }") { products: [Product!]! @shareable }
                type Product @key(fields: "id") { id: ID! category: Category @shareable }
                type Category @key(fields: "id") { id: ID! tag: String @shareable main: Product! }""",
            "link": 'type Product @key(fields: "id") @key(fields: "id pid") { id: ID! pid: ID! @shareable }',
            "price": """
                type ProductList @key(fields: "products { id pid category { id tag } } selected { id }") {
                  products: [Product!]! @shareable selected: Product @shareable first: Product @shareable }
                type Product @key(fields: "id pid category { id tag }") {
                  id: ID! pid: ID! @shareable category: Category @shareable price: Int }
                type Category { id: ID! @shareable tag: String @shareable }""",
            "list": """
                type ProductList @key(fields: "products { id pid }") {
                  products: [Product!]! @shareable first: Product @shareable selected: Product @shareable }
                type Product @key(fields: "id pid") { id: ID! pid: ID! @shareable }""",
        },
        {"Product": [one, two], "Category": [toys], "ProductList": [row]},
        {"top": row},
    )


async def test_keys_of_lists_of_objects_from_several_subgraphs() -> None:
    world = lists()
    query = """{ top { products { id pid price category { main { id } id tag } }
      selected { id price category { tag } } first { id } } }"""
    answer = await world.ask(query)

    assert answer.errors == []
    assert answer.data == world.truth(query)


async def test_requires_with_fragments_inside_fragments() -> None:
    deep: dict[str, Any] = {"__typename": "Baz", "foo": "f", "bar": "b", "baz": "z"}
    row = {
        "__typename": "Entity", "id": "1", "data": deep,
        "told": lambda seen, _: ",".join(str(_held(seen["data"]).get(name)) for name in ("foo", "bar", "baz")),
    }  # fmt: skip
    interfaces = "interface Foo { foo: String! } interface Bar implements Foo { foo: String! bar: String! }"
    world = World(
        {
            "a": f"""type Query {{ one: Entity }} type Entity @key(fields: "id") {{ id: ID! data: Foo }} {interfaces}
                type Baz implements Foo & Bar @shareable {{ foo: String! bar: String! baz: String! }}
                type Qux implements Foo & Bar @shareable {{ foo: String! bar: String! qux: String! }}""",
            "b": f"""type Entity @key(fields: "id") {{ id: ID! data: Foo @external
                told: String @requires(fields: "data {{ foo ... on Bar {{ bar ... on Baz {{ baz }} }} }}") }} {interfaces}
                type Baz implements Foo & Bar @shareable {{ foo: String! bar: String! baz: String! }}
                type Qux implements Foo & Bar @shareable {{ foo: String! bar: String! qux: String! }}""",
        },
        {"Entity": [row]},
        {"one": row},
    )
    await same(world, "{ one { told } }", 2)


async def test_a_value_of_an_enum_that_clients_do_not_know_is_null_with_an_error() -> None:
    rows = [{"__typename": "User", "id": str(n), "kind": kind} for n, kind in enumerate(("OPEN", "HIDDEN"))]
    world = World(
        {"a": "type Query { users: [User] } type User { id: ID kind: Kind } enum Kind { OPEN HIDDEN @inaccessible }"},
        {"User": rows},
        {"users": rows},
    )
    answer = await world.ask("{ users { id kind } }")

    assert answer.data == {"users": [{"id": "0", "kind": "OPEN"}, {"id": "1", "kind": None}]}
    assert [one["path"] for one in answer.errors] == [["users", 1, "kind"]]
