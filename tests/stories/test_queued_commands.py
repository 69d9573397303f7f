"""Commands that wait for their module (contracts.md, "Commands"; events.md, D), on the real platform."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from tests.stories.world import F0, fresh_id
from tests.waiting import until

RECEIPT = "query($id: ID!) { receipt(id: $id) { id status module command userErrors { code message } settledAt } }"


@contextmanager
def away(story: F0, module: str = "crm") -> Iterator[None]:
    """Let a module be dead while the block runs; afterwards wait until it is back and has executed what waited."""
    platform = story.world.platform
    assert platform.run("stop", module, "--kill").returncode == 0
    try:
        yield
    finally:
        assert platform.run("start", module).returncode == 0
    until(lambda: is_done(story, module))


def is_done(story: F0, module: str) -> bool:
    modules = {one["name"]: one["state"] for one in story.world.platform.status()["modules"]}
    queue = story.world.consumer(module, "COMMANDS")
    return modules[module] == "ready" and queue["num_pending"] + queue["num_ack_pending"] == 0


def receipt(story: F0, receipt_id: str) -> dict[str, Any] | None:
    answer = story.ask(RECEIPT, id=receipt_id)
    assert "errors" not in answer, answer
    return answer["data"]["receipt"]


def status(story: F0, receipt_id: str) -> str | None:
    found = receipt(story, receipt_id)
    return found["status"] if found else None


def test_a_command_to_a_dead_module_waits_and_is_executed_once(lumen: F0) -> None:
    deal, key = lumen.open_deal(), fresh_id()

    with away(lumen):
        first = lumen.win(deal, idempotencyKey=key)
        again = lumen.win(deal, idempotencyKey=key)
        waiting = receipt(lumen, first["receipt"]["id"])

    assert first == again
    assert first["deal"] is None
    assert first["userErrors"] == []
    assert first["receipt"]["status"] == "QUEUED"
    assert waiting is not None
    assert (waiting["status"], waiting["module"], waiting["command"]) == ("QUEUED", "crm", "closeDealWon")
    until(lambda: status(lumen, first["receipt"]["id"]) == "DONE")
    direct = lumen.win(deal, idempotencyKey=key)
    assert direct["deal"] == {"id": deal, "status": "WON"}
    assert direct["receipt"] == {"id": first["receipt"]["id"], "status": "DONE"}
    lumen.world.settle()
    assert len(lumen.drafts(deal)) == 1
    assert lumen.envelope(deal)["sequence"] > 0  # exactly one event


def test_what_cannot_wait_is_refused_at_once(lumen: F0) -> None:
    deal = lumen.open_deal()
    query = "mutation($input: CloseDealLostInput!) { closeDealLost(input: $input) { deal { id } } }"

    with away(lumen):
        answer = lumen.ask(query, input={"dealId": deal, "reason": "PRICE"})

    assert answer["data"] is None
    assert answer["errors"][0]["extensions"]["code"] == "MODULE_UNAVAILABLE"


def test_commands_of_a_tenant_are_executed_in_the_order_they_were_sent(lumen: F0) -> None:
    names = [f"C-{number}-{fresh_id()}" for number in range(12)]

    with away(lumen):
        sent = [lumen.command("registerCustomer", "customer { id }", name=name, currency="CNY") for name in names]

    assert {one["receipt"]["status"] for one in sent} == {"QUEUED"}
    until(lambda: status(lumen, sent[-1]["receipt"]["id"]) == "DONE")
    statement = "select name from customer where name = any($1) order by created_at, id"
    assert [row["name"] for row in lumen.rows("crm", statement, names)] == names


def test_a_command_that_waits_can_be_taken_back_and_one_that_was_executed_cannot(lumen: F0) -> None:
    deal = lumen.open_deal()
    cancel = "mutation($id: ID!) { cancelReceipt(id: $id) { receipt { id status } userErrors { code } } }"

    with away(lumen):
        queued = lumen.win(deal)["receipt"]["id"]
        cancelled = lumen.ask(cancel, id=queued)["data"]["cancelReceipt"]
    name = f"C-{fresh_id()}"
    lumen.do("registerCustomer", "customer { id }", name=name, currency="CNY")

    assert cancelled == {"receipt": {"id": queued, "status": "CANCELLED"}, "userErrors": []}
    assert status(lumen, queued) == "CANCELLED"
    assert lumen.rows("crm", "select status from deal where id = $1", UUID(deal)) == [{"status": "OPEN"}]
    with away(lumen):
        late = lumen.win(deal)["receipt"]["id"]
    until(lambda: status(lumen, late) == "DONE")
    refused = lumen.ask(cancel, id=late)["data"]["cancelReceipt"]
    assert refused == {"receipt": {"id": late, "status": "DONE"}, "userErrors": [{"code": "ILLEGAL_STATE"}]}


def test_a_rule_that_says_no_is_a_failed_receipt_with_its_reason(lumen: F0) -> None:
    deal = lumen.open_deal()
    lumen.win(deal)

    with away(lumen):
        queued = lumen.win(deal)["receipt"]["id"]

    until(lambda: status(lumen, queued) == "FAILED")
    found = receipt(lumen, queued)
    assert found is not None
    assert found["userErrors"][0]["code"] == "DEAL_CLOSED"
    assert found["settledAt"] is not None


def test_a_key_with_other_input_is_refused_while_its_command_waits(lumen: F0) -> None:
    deal, other, key = lumen.open_deal(), lumen.open_deal(), fresh_id()

    with away(lumen):
        lumen.win(deal, idempotencyKey=key)
        reused = lumen.win(other, idempotencyKey=key)

    assert [error["code"] for error in reused["userErrors"]] == ["IDEMPOTENCY_KEY_REUSED"]
    assert reused["receipt"]["status"] == "FAILED"


def test_a_receipt_is_known_to_its_sender_alone(lumen: F0, harbour: F0) -> None:
    """Threat 28: a receipt's id is no secret and opens nothing."""
    with away(lumen):
        queued = lumen.win(lumen.customer)["receipt"]["id"]
        colleague = as_user(lumen, "member@lumen.example", RECEIPT, id=queued)
        listed = as_user(lumen, "member@lumen.example", "{ receipts { id } }")
        own = lumen.ask("{ receipts(filter: { status: [QUEUED] }) { id } }")["data"]["receipts"]

    assert colleague == {"data": {"receipt": None}}
    assert queued not in [one["id"] for one in listed["data"]["receipts"]]
    assert queued in [one["id"] for one in own]
    assert receipt(harbour, queued) is None
    assert receipt(lumen, fresh_id()) is None
    assert receipt(lumen, "no id at all") is None


def test_rights_taken_back_while_a_command_waits_are_not_used(harbour: F0) -> None:
    """Threat 27: revoke, then drain."""
    people = harbour.ask("{ users(first: 50) { nodes { id email } } roles(first: 50) { nodes { id name } } }")
    user = next(one["id"] for one in people["data"]["users"]["nodes"] if one["email"] == "sales@harbour.example")
    role = next(one["id"] for one in people["data"]["roles"]["nodes"] if one["name"] == "Sales")
    command = "mutation($input: RegisterCustomerInput!) { registerCustomer(input: $input) { receipt { id status } } }"
    name = f"C-{fresh_id()}"
    sales = "sales@harbour.example"

    with away(harbour):
        answer = as_user(harbour, sales, command, input={"name": name, "currency": "HKD"})
        harbour.do("revokeRole", "tenantMembership { id }", userId=user, roleId=role)
    harbour.world.forget_tokens()
    queued = answer["data"]["registerCustomer"]["receipt"]

    try:
        assert queued["status"] == "QUEUED"
        sees = lambda: as_user(harbour, sales, RECEIPT, id=queued["id"])["data"]["receipt"]  # noqa: E731
        until(lambda: sees()["status"] == "REJECTED")
        assert sees()["userErrors"][0]["code"] == "FORBIDDEN"
        assert harbour.rows("crm", "select 1 from customer where name = $1", name) == []
    finally:
        harbour.do("grantRole", "tenantMembership { id }", userId=user, roleId=role)
        harbour.world.forget_tokens()


def as_user(story: F0, email: str, query: str, **variables: Any) -> dict[str, Any]:
    """Send an operation as a person of the story's tenant."""
    return story.world.platform.graphql(query, variables, token=story.world.token(story.slug, email))
