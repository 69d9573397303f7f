"""Plans explain themselves; golden plans beside their queries."""

import pytest

from router.planning.explain import costs, explain_json, explain_mermaid, explain_text, losses
from router.planning.plan import QueryPlan
from tests.router.planning.test_features import shop


def plan(query: str) -> QueryPlan:
    return shop().prepare(query).compiled.plan


def test_text_names_fetches_levels_and_what_is_lost() -> None:
    assert explain_text(plan("{ products { title stock { count } } }")) == (
        "2 fetches in 2 levels\n"
        "  1. #0 products: {products{title _k2: sku{_k0: code _k1: lot}}}\n"
        "  2. #1 stock for each products[] after #0: {...on Product{stock{count}}}\n"
        "cost of products: about 10 objects\n"
        "cost of stock: about 20 objects\n"
        "without products: data would be null\n"
        "without stock: products.stock would be null\n"
    )


def test_json_holds_the_same() -> None:
    told = explain_json(plan("{ me { name reviews { text } } }"))

    assert told["levels"] == 2
    assert told["optimal"] is True
    assert [(one["module"], one["at"], one["after"]) for one in told["fetches"]] == [
        ("users", "", []),
        ("reviews", "me", [0]),
    ]


def test_mermaid_draws_the_dependencies() -> None:
    text = explain_mermaid(plan("{ me { name reviews { text } } }"))

    assert text.startswith("flowchart TD\n")
    assert "f0 --> f1" in text
    assert 'l1(["without reviews:<br/>me"])' in text
    assert "f1 -.-> l1" in text


@pytest.mark.parametrize(
    ("query", "lost"),
    [
        ("{ me { name } }", {"users": ["me"]}),
        ("{ me { name reviews { text } } }", {"users": ["me"], "reviews": ["me"]}),
        ("{ me { name } products { title } }", {"users": ["me"], "products": ["data"]}),
    ],
)
def test_what_is_lost_goes_up_to_where_null_may_be(query: str, lost: dict[str, list[str]]) -> None:
    assert losses(plan(query)) == lost


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ("{ me { name } }", {"users": 1}),
        ("{ me { name reviews { text } } }", {"users": 1, "reviews": 11}),
        ("{ users { name reviews { text } } }", {"users": 10, "reviews": 110}),
        ("{ a: me { name } b: me { name } __typename }", {"users": 2}),
    ],
)
def test_the_cost_is_the_objects_a_module_is_asked_for(query: str, cost: dict[str, int]) -> None:
    told = plan(query)

    assert costs(told) == explain_json(told)["cost"] == cost
