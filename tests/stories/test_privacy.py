"""A person across CRM, HR, Support and Identity: exported as one file, erased with receipts of every module (issue 5)."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.stories.world import F0, fresh_id
from tests.waiting import until

_STATUS = "query($id: ID!) { privacyRequest(id: $id) { status round awaitedModules erasureReceipts(first: 50) { moduleSlug rowCount keptReason reportedAt } } }"


class Person:
    """Someone who is a contact, wrote a ticket, is employed and has a user account, all under one address."""

    def __init__(self, one: F0) -> None:
        """Make them by the API."""
        self.name = f"Cy {fresh_id()}"
        self.email = f"cy-{fresh_id()}@example.test"
        contact = {"fullName": self.name, "email": self.email, "phone": "+49 30 1", "customerId": one.customer}
        self.contact = one.do("addContact", "contact { id }", **contact)["id"]
        department = one.do("openDepartment", "department { id }", name=f"Desk {fresh_id()}")["id"]
        hired = {"fullName": self.name, "departmentId": department, "hiredOn": "2026-01-01", "workEmail": self.email}
        self.employee = one.do("hireEmployee", "employee { id }", **hired)["id"]
        one.rows("identity", "update tenant set seats = null returning 1")  # the demo's plan has three
        roles = one.ask("{ roles(first: 50) { nodes { id name } } }")["data"]["roles"]["nodes"]
        member = next(role["id"] for role in roles if role["name"] == "Member")
        invited = {"email": self.email, "displayName": self.name, "roleId": member}
        self.user = one.do("inviteUser", "userAccount { id }", **invited)["id"]
        ticket = {"title": f"{self.name} asks", "body": f"I am {self.name}.", "contactId": self.contact}
        self.ticket = one.do("openTicket", "ticket { id }", **ticket, channel="EMAIL")["id"]


def everywhere(one: F0, text: str) -> set[str]:
    """Return the modules one of whose tables holds a text in the tenant."""
    found: set[str] = set()
    for module in (
        "crm",
        "hr",
        "identity",
        "support",
        "invoicing",
        "projects",
        "notifications",
        "audit_log",
        "privacy",
    ):
        tables = one.rows(module, "select tablename from pg_tables where schemaname = $1", module)
        for table in tables:
            statement = f"select 1 from {module}.{table['tablename']} as t where t::text ilike '%' || $1 || '%'"  # noqa: S608
            if one.rows(module, statement, text):
                found.add(module)
    return found


def request_of(one: F0, person: Person) -> str:
    """Open and verify a request to erase, once every module knows what it is to forget; return its id."""
    one.world.settle()
    opened = one.do("openPrivacyRequest", "privacyRequest { id }", kind="ERASURE", subjectEmail=person.email)["id"]
    one.do("verifySubject", "privacyRequest { status }", privacyRequestId=opened)
    return opened


def state(one: F0, request: str) -> dict[str, Any]:
    return one.ask(_STATUS, id=request)["data"]["privacyRequest"]


def test_one_file_holds_what_all_modules_know_of_a_person(lumen: F0, tmp_path: Path) -> None:
    person = Person(lumen)
    lumen.world.settle()

    done = lumen.world.platform.run(
        "privacy", "export", "--tenant", "lumen", "--email", person.email, "--output", str(tmp_path / "cy.json")
    )

    assert done.returncode == 0, done.stderr
    written = (tmp_path / "cy.json").read_text()
    found = json.loads(written)
    assert (tmp_path / "cy.json").stat().st_mode & 0o077 == 0
    assert found["missing"] == []
    rows = {(slug, row["entity"], row["id"]): row["fields"] for slug, one in found["modules"].items() for row in one}
    assert rows["crm", "Contact", person.contact]["phone"] == "+49 30 1"
    assert rows["hr", "Employee", person.employee]["fullName"] == person.name
    assert rows["identity", "UserAccount", person.user]["email"] == person.email
    assert rows["support", "Ticket", person.ticket]["title"] == f"{person.name} asks"
    assert f"I am {person.name}." in written
    exported = "select 1 from audit_record where action = 'EXPORT' and entity_type = 'PrivacyRequest'"
    until(lambda: len(lumen.rows("audit_log", exported)) >= 1)


def test_a_person_is_erased_everywhere_with_a_receipt_of_each_module(lumen: F0, harbour: F0) -> None:
    """By the address alone: that the contact, the employee and the account are one person, the modules find out"""
    person, same_elsewhere = Person(lumen), Person(harbour)
    before = harbour.world.counts(harbour.tenant)
    request = request_of(lumen, person)

    lumen.do("executeErasure", "privacyRequest { status awaitedModules }", privacyRequestId=request)

    until(lambda: state(lumen, request)["status"] == "DONE")
    told = state(lumen, request)
    receipts = {one["moduleSlug"]: one for one in told["erasureReceipts"]}
    assert told["awaitedModules"] == []
    assert all(one["reportedAt"] for one in receipts.values())
    lumen.world.settle()
    assert {slug for slug, one in receipts.items() if one["rowCount"]} >= {"crm", "hr", "identity", "support"}
    assert "labour law" in receipts["hr"]["keptReason"]
    assert everywhere(lumen, person.email) <= set()
    assert everywhere(lumen, person.name) == {"hr"}  # who worked here is kept, and why is said
    account = lumen.rows("identity", "select * from user_account where id = $1", UUID(person.user))[0]
    assert account["status"] == "DEACTIVATED"
    assert harbour.world.counts(harbour.tenant) == before
    assert "crm" in everywhere(harbour, same_elsewhere.email)
    assert lumen.world.platform.run("audit", "verify", "--tenant", "lumen").returncode == 0


def test_a_module_that_is_down_answers_when_it_is_back(lumen: F0) -> None:
    person = Person(lumen)
    request = request_of(lumen, person)
    platform = lumen.world.platform
    platform.run("stop", "support")
    try:
        lumen.do("executeErasure", "privacyRequest { status }", privacyRequestId=request)
        until(lambda: state(lumen, request)["awaitedModules"] == ["support"])
        assert state(lumen, request)["status"] == "RUNNING"
        assert "support" in everywhere(lumen, person.name)
    finally:
        platform.run("start", "support")

    until(lambda: state(lumen, request)["status"] == "DONE")
    lumen.world.settle()
    assert "support" not in everywhere(lumen, person.name)
