"""What can be entered and resolved from where."""

from router.supergraph.field_set import parse_field_set
from router.supergraph.reach import Reach
from tests.router.planning.test_corners import catalogue, houses, overridden
from tests.router.planning.test_features import accounts, shop
from tests.router.planning.world import World


def mask(world: World, *names: str) -> int:
    numbers = {one.name: number for number, one in enumerate(world.graph.supergraph.subgraphs)}
    return sum(1 << numbers[name] for name in names)


def test_keys_chain_through_third_subgraphs() -> None:
    world = shop()

    assert world.graph.reach.closure("Product", mask(world, "reviews")) == mask(world, "reviews", "products", "stock")
    assert world.graph.reach.closure("Stock", mask(world, "stock")) == mask(world, "stock")


def test_a_key_that_is_not_resolvable_lets_nobody_in() -> None:
    world = houses()

    assert world.graph.reach.closure("Category", mask(world, "b")) == mask(world, "b", "c")
    assert world.graph.reach.closure("Category", mask(world, "a")) == mask(world, "a")


def test_an_interface_object_leads_out_by_the_interface_and_then_by_the_type() -> None:
    world = accounts()
    reach = world.graph.reach

    assert reach.closure("Admin", mask(world, "blog")) == mask(world, "blog", "accounts")
    assert reach.resolvers("Admin", "posts") == mask(world, "blog")
    assert reach.knows("Account") == mask(world, "accounts")
    assert reach.stands_for("Admin") == mask(world, "blog")


def test_requires_counts_only_where_it_can_be_had() -> None:
    world = shop()
    reach = world.graph.reach

    assert reach.able("Product", "shipping", mask(world, "stock")) == 0
    assert reach.able("Product", "shipping", mask(world, "stock", "products")) == mask(world, "stock")


def test_views_add_what_an_arrival_provides() -> None:
    world = catalogue()
    reach = world.graph.reach
    lists = mask(world, "lists")
    views = reach.views_below("Query", "film", lists)

    assert reach.able("Film", "title", lists) == 0
    assert reach.able("Film", "title", lists, views) == lists
    assert reach.obtains("Film", parse_field_set("genre { name }"), lists, views)


def test_labels_decide_who_resolves() -> None:
    world = overridden()
    off, on = world.graph.reach, Reach(world.graph.supergraph, frozenset({"percent(5)"}))

    assert off.resolvers("Bill", "paid") == mask(world, "old")
    assert on.resolvers("Bill", "paid") == mask(world, "new")
    assert off.resolvers("Bill", "total") == mask(world, "new")
