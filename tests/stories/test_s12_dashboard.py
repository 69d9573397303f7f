"""S12: one dashboard request, whole and degraded."""

from tests.stories.world import F0, World
from tests.waiting import takes

DASHBOARD = """
    query($id: ID!) {
      customer(id: $id) {
        name
        projects(first: 3) { name status }
        openInvoices(first: 5) { number balance { amount } dueDate }
        tickets(first: 3) { number status }
        deals { title status }
      }
    }
"""


def acme(world: World) -> str:
    answer = world.ask("lumen", '{ customers(filter: {name: {contains: "ACME 科技"}}) { nodes { id } } }')
    return answer["data"]["customers"]["nodes"][0]["id"]


def test_one_request_answers_from_four_modules(world: World) -> None:
    """S12, first part: ACME of the demo data has 4 projects, 3 open invoices, 6 tickets of which 2 are closed"""
    answer = world.ask("lumen", DASHBOARD, id=acme(world))

    assert "errors" not in answer
    customer = answer["data"]["customer"]
    assert customer["name"] == "ACME 科技 / Acme Tech"
    assert len(customer["projects"]) == 3
    assert len(customer["openInvoices"]) == 3
    due = [invoice["dueDate"] for invoice in customer["openInvoices"]]
    assert due == sorted(due)
    assert len(customer["tickets"]) == 3
    assert "CLOSED" not in [ticket["status"] for ticket in customer["tickets"]]
    numbers = [int(ticket["number"].removeprefix("T-")) for ticket in customer["tickets"]]
    assert numbers == sorted(numbers, reverse=True)
    assert customer["deals"]


def test_a_list_of_customers_needs_as_many_requests_as_one(lumen: F0) -> None:
    """S12: no N+1"""
    query = """
        { customers(first: 50) { nodes { name
            projects(first: 3) { name } openInvoices(first: 5) { number } tickets(first: 3) { number } } } }
    """
    answer = lumen.ask(query)

    assert "errors" not in answer
    assert len(answer["data"]["customers"]["nodes"]) >= 5
    assert takes(lambda: lumen.ask(query), below_s=1)


def test_without_support_the_rest_arrives_with_one_error(world: World) -> None:
    """S12, second part"""
    customer = acme(world)
    assert world.platform.run("stop", "support").returncode == 0
    try:
        answer = world.ask("lumen", DASHBOARD, id=customer)
        is_soon = takes(lambda: world.ask("lumen", DASHBOARD, id=customer), below_s=0.3)
    finally:
        assert world.platform.run("start", "support").returncode == 0

    assert answer["data"]["customer"]["tickets"] is None
    assert len(answer["data"]["customer"]["projects"]) == 3
    assert len(answer["data"]["customer"]["openInvoices"]) == 3
    (error,) = answer["errors"]
    assert error["path"] == ["customer", "tickets"]
    assert error["extensions"]["module"] == "support"
    assert is_soon
