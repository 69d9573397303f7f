"""What HR shows on others' entities, and its card."""

from typing import Any
from uuid import uuid5

import pytest

from shared.wire.principal import Principal
from subgraphs.hr import models

pytestmark = pytest.mark.anyio
ENTITIES = """query($r: [_Any!]!) { _entities(representations: $r) {
    ... on Deal { commissions { amount { amount currency } kind employee { fullName } } }
    ... on UserAccount { employee { fullName } } } }"""


async def test_deals_show_commissions_and_accounts_their_employee(begin: Any) -> None:
    story = await begin()
    await story.won(1, 1, "24000.00")
    await story.heard(1, 1)
    user, nobody = uuid5(story.tenant, "user"), uuid5(story.tenant, "nobody")
    async with story.hr.transaction(story.ada) as tx:
        (await tx.get(models.Employee, story.bo)).user_id = user

    asked = [
        {"__typename": "Deal", "id": str(story.deal())},
        {"__typename": "UserAccount", "id": str(user)},
        {"__typename": "UserAccount", "id": str(nobody)},
        {"__typename": "Deal", "id": str(nobody)},
    ]
    answer = await story.hr.execute(story.ada, ENTITIES, r=asked)

    assert answer.errors == []
    commission = {"amount": {"amount": "1620.00", "currency": "CNY"}, "kind": "ACCRUAL", "employee": {"fullName": "Bo"}}
    assert answer.data["_entities"] == [
        {"commissions": [commission]},
        {"employee": {"fullName": "Bo"}},
        {"employee": None},
        {"commissions": []},
    ]


async def test_a_salesperson_sees_the_own_commissions_only(begin: Any) -> None:
    """OWN scope (tier1.md, 4, Permissions)."""
    story = await begin()
    await story.won(1, 1, "24000.00")
    await story.heard(1, 1)
    bo = Principal(tenant=story.tenant, user=None, permissions=("hr.commission_entry.read@own",), employee=story.bo)
    cy = Principal(tenant=story.tenant, user=None, permissions=("hr.commission_entry.read@own",), employee=story.plan)
    statement = 'query($id: ID!) { commissionStatement(employeeId: $id, period: "2026-03") { total { amount } } }'

    mine = await story.hr.execute(bo, "{ commissionEntries { nodes { amount { amount } } } }")
    theirs = await story.hr.execute(cy, "{ commissionEntries { nodes { id } } }")
    stated = await story.hr.execute(bo, statement, id=str(story.bo))
    refused = await story.hr.execute(cy, statement, id=str(story.bo))

    assert mine.data["commissionEntries"]["nodes"] == [{"amount": {"amount": "1620.00"}}]
    assert theirs.data["commissionEntries"]["nodes"] == []
    assert stated.data["commissionStatement"] == [{"total": {"amount": "1620.00"}}]
    assert refused.errors[0]["extensions"]["code"] == "FORBIDDEN"


async def test_the_card_counts_people_and_commissions(begin: Any) -> None:
    story = await begin()
    query = """query($r: [_Any!]!) { _entities(representations: $r) { ... on Dashboard {
        hr { headcount awayToday commissionAccrued { amount } } } } }"""

    answer = await story.hr.execute(story.ada, query, r=[{"__typename": "Dashboard", "id": str(story.tenant)}])

    assert answer.data["_entities"] == [{"hr": {"headcount": 1, "awayToday": 0, "commissionAccrued": []}}]
