"""Tenant scope in the schema (contracts.md, "Tenancy in the schema"), and how far an outage reaches."""

from collections.abc import Callable

from router.composition import Composition, compose
from tests.router.composition.conftest import subgraphs_of

LINK = """\
extend schema
  @link(url: "https://specs.apollo.dev/federation/v2.11", import: ["@key", "@shareable"])
  @link(url: "https://mewayz.dev/specs/tenant/v1.0", import: ["@tenant"])
directive @tenant(scope: tenant__Scope!) on OBJECT | FIELD_DEFINITION
enum tenant__Scope { TENANT GLOBAL }
"""


def codes(made: Composition) -> list[str]:
    return [one.code for one in made.errors]


def test_types_and_root_fields_with_a_scope_compose(composed: Callable[[str], Composition]) -> None:
    made = composed(
        f"### crm\n{LINK}type Query {{ deal: Deal @tenant(scope: TENANT) }}\n"
        'type Deal @key(fields: "id") @tenant(scope: TENANT) { id: ID! }'
    )

    assert codes(made) == []


def test_a_type_without_scope_is_told_with_its_place(composed: Callable[[str], Composition]) -> None:
    made = composed(f"### crm\n{LINK}type Query {{ deal: Deal @tenant(scope: TENANT) }}\ntype Deal {{ id: ID! }}")

    assert codes(made) == ["TENANT_UNSCOPED"]
    assert '"Deal"' in made.errors[0].message
    assert (made.errors[0].locations[0].line, made.errors[0].locations[0].column) == (7, 1)


def test_a_root_field_without_scope_is_told(composed: Callable[[str], Composition]) -> None:
    made = composed(f"### crm\n{LINK}type Query {{ deals: Int }}")

    assert codes(made) == ["TENANT_UNSCOPED"]


def test_an_entity_of_a_tenant_here_and_of_nobody_there_is_told(composed: Callable[[str], Composition]) -> None:
    made = composed(
        f"### crm\n{LINK}type Query {{ deal: Deal @tenant(scope: TENANT) }}\n"
        'type Deal @key(fields: "id") @tenant(scope: TENANT) { id: ID! }\n'
        f'### hr\n{LINK}type Deal @key(fields: "id") @tenant(scope: GLOBAL) {{ id: ID! x: Int }}'
    )

    assert codes(made) == ["TENANT_MISMATCH"]


def test_a_global_root_field_gives_nothing_of_a_tenant(composed: Callable[[str], Composition]) -> None:
    made = composed(
        f"### crm\n{LINK}type Query {{ deal: Deal @tenant(scope: GLOBAL) }}\n"
        "type Deal @tenant(scope: TENANT) {id: ID!}"
    )

    assert codes(made) == ["TENANT_MISMATCH"]


def test_other_peoples_subgraphs_are_asked_only_on_demand() -> None:
    subgraphs = subgraphs_of("### a\n%2.3\ntype Query { a: Int }")

    assert codes(compose(subgraphs)) == []
    assert codes(compose(subgraphs, require_tenancy=True)) == ["TENANT_UNSCOPED"]


def blast(made: Composition) -> list[str | None]:
    return [one.coordinate for one in made.hints if one.code == "NONNULL_BLAST_RADIUS"]


def test_a_contributed_non_null_field_is_told_of(composed: Callable[[str], Composition]) -> None:
    made = composed(
        "### crm\n%2.3 @key\ntype Query { c: Customer }\n"
        'type Customer @key(fields: "id") { id: ID! name: String! a: Int }\n'
        '### invoicing\n%2.3 @key\ntype Customer @key(fields: "id") { id: ID! owed: Int! open: Int }'
    )

    assert blast(made) == ["Customer.owed"]


def test_a_non_null_reference_to_a_foreign_entity_is_told_of(composed: Callable[[str], Composition]) -> None:
    made = composed(
        '### crm\n%2.3 @key\ntype Query { c: Customer }\ntype Customer @key(fields: "id") { id: ID! name: String! }\n'
        "### invoicing\n%2.3 @key\n"
        'type Invoice @key(fields: "id") { id: ID! \n'
        "  customer: Customer! payer: Customer all: [Customer!] both: [Customer!]! }\n"
        'type Customer @key(fields: "id", resolvable: false) { id: ID! }\n'
    )

    assert blast(made) == ["Invoice.customer", "Invoice.both"]
