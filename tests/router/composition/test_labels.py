"""@override with a label and @requires: a moving field may be required; Apollo's composer alone says no (docs/federation.md)."""

import pytest

from tests.router.planning.test_features import same
from tests.router.planning.world import World

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("labels", [frozenset[str](), frozenset({"percent(5)"})])
async def test_a_field_that_is_moving_is_required_from_where_it_is(labels: frozenset[str]) -> None:
    bill = {"__typename": "Bill", "id": "1", "total": 5, "taxed": lambda row, _: row["total"] * 2}
    world = World(
        {
            "old": 'type Query { bill: Bill } type Bill @key(fields: "id") { id: ID! total: Int }',
            "new": 'type Bill @key(fields: "id") { id: ID! total: Int @override(from: "old", label: "percent(5)") }',
            "tax": """type Bill @key(fields: "id") { id: ID! total: Int @external
                taxed: Int @requires(fields: "total") }""",
        },
        {"Bill": [bill]},
        {"bill": bill},
        labels=labels,
    )

    await same(world, "{ bill { taxed } }", 3 if labels else 2)
