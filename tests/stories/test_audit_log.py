"""The audit log on the whole platform: commands, reads, refusals, sign-ins and the operator leave records (issue 5)."""

import http.client
import json
from typing import Any
from uuid import UUID

from shared.wire.occasion import PLATFORM
from tests.stories.world import F0, fresh_id
from tests.waiting import until


def records(one: F0, statement: str, *args: Any) -> list[dict[str, Any]]:
    return one.rows("audit_log", f"select * from audit_record where {statement} order by sequence", *args)  # noqa: S608


def post(one: F0, path: str, body: dict[str, Any], **headers: str) -> tuple[int, Any]:
    """Send a request to the gateway; return status and answer."""
    connection = http.client.HTTPConnection("127.0.0.1", one.world.platform.port, timeout=20)
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json", **headers})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, json.loads(content) if content else None


def login_of(one: F0, role: str) -> dict[str, str]:
    """Return a demo login of the tenant."""
    lines = one.world.platform.run("demo", "logins").stdout.splitlines()
    logins = [dict(zip(("email", "password", "tenant", "role"), line.split("\t"), strict=True)) for line in lines]
    return next(login for login in logins if login["tenant"] == one.slug and login["role"] == role)


def test_a_command_leaves_one_record_with_who_what_and_from_where(lumen: F0) -> None:
    """S1, step 7: one record of the won deal, by whom it was won, with the address the request came from"""
    deal = lumen.open_deal()
    lumen.win(deal)

    lumen.world.settle()
    (won,) = records(lumen, "subject = 'deal.close.won' and entity_reference = $1", deal)
    assert (won["action"], won["entity_type"], won["module_slug"]) == ("EXECUTE", "Deal", "crm")
    assert won["actor_user_id"] is not None
    (origin,) = lumen.rows("audit_log", "select * from audit_origin where id = $1", won["origin_id"])
    assert origin["address"] == "127.0.0.1"
    query = """query($f: AuditRecordFilter) { auditRecords(filter: $f) { nodes { subject action actorUser { displayName } } } }"""
    asked = {"entityReference": {"eq": deal}, "subject": {"eq": "deal.close.won"}}
    answer = lumen.ask(query, f=asked)
    (node,) = answer["data"]["auditRecords"]["nodes"]
    assert node["actorUser"]["displayName"]


def test_a_refusal_leaves_one_record_however_often_it_is_repeated(lumen: F0) -> None:
    """Issue 5, bad input: one audit row; a flood is counted"""
    rough = f"nobody-{fresh_id()}"
    for _ in range(30):
        status, answer = post(lumen, "/graphql", {"query": "{ deals { totalCount } }"}, **{"user-agent": rough})
        assert status == 401
        assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"

    def of_platform() -> list[dict[str, Any]]:
        statement = "select r.* from audit_record r join audit_origin o on o.id = r.origin_id where o.user_agent = $1"
        return lumen.world.rows("audit_log", PLATFORM, statement, rough)

    until(lambda: len(of_platform()) >= 1)
    assert 1 <= len(of_platform()) <= 2  # the first at once, what came after it within the second as one more
    assert {row["action"] for row in of_platform()} == {"DENIED"}
    assert {row["entity_reference"] for row in of_platform()} == {"UNAUTHENTICATED"}


def test_what_a_member_may_not_see_is_recorded_in_the_tenant(lumen: F0) -> None:
    """Issue 5, bad input: 403"""
    login = login_of(lumen, "Member")
    before = len(records(lumen, "action = 'DENIED' and entity_reference = 'FORBIDDEN'"))

    answer = lumen.world.platform.graphql(
        "{ auditRecords { totalCount } }", {}, token=lumen.world.token("lumen", login["email"])
    )

    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    until(lambda: len(records(lumen, "action = 'DENIED' and entity_reference = 'FORBIDDEN'")) == before + 1)
    row = records(lumen, "action = 'DENIED' and entity_reference = 'FORBIDDEN'")[-1]
    assert row["actor_user_id"] is not None


def test_signing_in_and_failing_to_leave_records(lumen: F0) -> None:
    """Issue 5, audit log: sign-ins, with the address"""
    login = login_of(lumen, "Owner")
    sent = {"email": login["email"], "password": login["password"], "tenant": "lumen"}
    agent = {"user-agent": f"story-{fresh_id()}"}

    assert post(lumen, "/auth/login", sent, **agent)[0] == 200
    assert post(lumen, "/auth/login", {**sent, "password": "wrong"}, **agent)[0] == 401

    joined = "select r.* from audit_record r join audit_origin o on o.id = r.origin_id where o.user_agent = $1"
    until(lambda: len(lumen.rows("audit_log", joined, agent["user-agent"])) == 1)
    until(lambda: len(lumen.world.rows("audit_log", PLATFORM, joined, agent["user-agent"])) == 1)
    (signed_in,) = lumen.rows("audit_log", joined, agent["user-agent"])
    assert signed_in["action"] == "LOGIN"


def test_a_session_taken_on_the_machine_leaves_a_record(lumen: F0) -> None:
    """security.md, threat 32"""
    count = "subject = 'session.issued' and action = 'LOGIN' and change_summary = 'mewayz token'"
    before = len(records(lumen, count))

    lumen.world.platform.token("lumen")

    until(lambda: len(records(lumen, count)) > before)


def test_a_reader_of_why_someone_is_away_is_recorded(lumen: F0) -> None:
    """Issue 5, audit log: reads of sensitive fields too"""
    away = {"startsOn": "2027-03-10", "endsOn": "2027-03-12", "kind": "UNPAID", "employeeId": lumen.salesperson}
    leave = lumen.do("requestLeave", "leaveRequest { id }", **away)["id"]

    answer = lumen.ask("query($id: ID!) { leaveRequest(id: $id) { kind } }", id=leave)

    assert answer["data"]["leaveRequest"]["kind"] == "UNPAID"
    until(lambda: any(leave in row["change_summary"] for row in records(lumen, "action = 'READ'")))


def test_whoever_runs_the_machine_acknowledges_what_is_wrong_where_no_tenant_is_known(lumen: F0) -> None:
    """AUD-2: no token names that tenant"""
    tamper = """insert into audit_tamper (tenant_id, id, version, created_at, updated_at, what, first_bad_record_id,
        expected_hash, found_hash, detected_at) values ($1, $2, 1, now(), now(), 'by the test', $2, 'a', 'b', now())"""
    lumen.world.rows("audit_log", PLATFORM, tamper, PLATFORM, UUID(fresh_id()))

    done = lumen.world.platform.run("audit", "acknowledge", "It was the test")

    assert (done.returncode, done.stdout) == (0, "1 acknowledged\n"), done.stderr
    noted = "select explanation from audit_tamper where acknowledged_at is not null"
    assert lumen.world.rows("audit_log", PLATFORM, noted) == [{"explanation": "It was the test"}]


def test_whoever_runs_the_machine_says_what_is_kept_where_no_tenant_is_known(lumen: F0) -> None:
    """AUD-5: no token names that tenant, and one that is closed can place no hold"""
    run = lumen.world.platform.run
    rules = "select keep_months, legal_hold, active from retention_rule order by created_at"

    kept, low, held = run("audit", "keep", "12"), run("audit", "keep", "5"), run("audit", "hold", "Case 7")
    ended, again = (run("audit", "release", held.stdout.strip()) for _ in range(2))

    assert (kept.returncode, held.returncode, ended.returncode) == (0, 0, 0), kept.stderr + held.stderr + ended.stderr
    assert "6 months at least" in low.stderr
    assert "no hold that stands" in again.stderr
    assert lumen.world.rows("audit_log", PLATFORM, rules) == [
        {"keep_months": 12, "legal_hold": False, "active": True},
        {"keep_months": None, "legal_hold": True, "active": False},
    ]


def test_verify_tells_a_whole_chain_from_one_that_was_changed(lumen: F0) -> None:
    """AUD-2: `mewayz audit verify`"""
    lumen.open_deal()
    done = lumen.world.platform.run("audit", "verify", "--json")

    assert done.returncode == 0, done.stderr
    found = {UUID(row["tenant"]): row for row in json.loads(done.stdout)}
    assert found[lumen.tenant]["records"] > 0
    assert PLATFORM in found
    assert {row["fault"] for row in found.values()} == {""}
