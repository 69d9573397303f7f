"""A module's connections: requests that change and read at the same time don't wait for each other for ever."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.modules import Answer, RunningModule
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
_AT_ONCE = 12  # more than the pool has connections
_TWO = """mutation($one: RegisterCustomerInput!, $two: RegisterCustomerInput!) {
  one: registerCustomer(input: $one) { customer { id deals(first: 1) { id } } userErrors { code } }
  two: registerCustomer(input: $two) { customer { id } userErrors { code } }
}"""


async def test_requests_with_several_commands_do_not_hold_the_connections_that_their_next_commands_need(
    crm: RunningModule,
) -> None:
    """each held one for what its first command's answer read, and waited 30 s for another"""
    owner = await crm.new_tenant()

    def request(number: int) -> Coroutine[Any, Any, Answer]:
        given = [{"name": f"{part} {number}", "currency": "CNY"} for part in ("One", "Two")]
        return crm.execute(owner, _TWO, one=given[0], two=given[1])

    async with asyncio.timeout(PATIENCE_S):
        answers = await asyncio.gather(*(request(number) for number in range(_AT_ONCE)))

    assert all(not answer.errors and not answer.data["two"]["userErrors"] for answer in answers)
    assert len(await crm.rows(owner.tenant, "select 1 from customer")) == 2 * _AT_ONCE
