"""@authenticated, @requiresScopes and @policy: of an operation with a field that its caller may not see nothing is executed."""

from pathlib import Path

import pytest

from router.composition.compose import compose
from router.composition.subgraph import Subgraph
from router.errors import Forbidden
from router.execution.prepared import Graph
from router.gateway.access.scopes import guards_of
from shared.wire.principal import Principal
from tests.router.gateway.module import CRM
from tests.router.gateway.world import TENANT, USER, world

pytestmark = pytest.mark.anyio
_IMPORTS = '"@key", "@authenticated", "@requiresScopes", "@policy"'
SDL = """
extend schema @link(url: "https://specs.apollo.dev/federation/v2.11", import: [%s])
type Query { employee: Employee  open: String  judged: String @policy(policies: [["fair"]])  any: Person  found: Found  grade: Grade }
type Mutation { raise: Employee }
interface Person { name: String  salary: Int }
union Found = Employee | Guest
type Guest { name: String }
type Employee implements Person @authenticated {
  name: String
  salary: Int @requiresScopes(scopes: [["hr.salary.read", "hr.employee.read"], ["hr.payroll.approve"]])
}
enum Grade @requiresScopes(scopes: [["hr.grade.read"]]) { A B }
"""


@pytest.fixture(scope="module", params=["plain", "renamed"])
def graph(request: pytest.FixtureRequest) -> Graph:
    """A graph that guards fields, with the directives' own names and with others."""
    sdl = SDL % _IMPORTS
    if request.param == "renamed":
        renamed = _IMPORTS.replace('"@requiresScopes"', '{name: "@requiresScopes", as: "@needs"}')
        sdl = (SDL % renamed).replace("@requiresScopes(", "@needs(")
    composed = compose([Subgraph("hr", "http://hr", sdl)])
    assert composed.sdl, composed.errors
    return Graph.from_sdl(composed.sdl)


def _may(graph: Graph, query: str, *permissions: str, signed_in: bool = True) -> bool:
    principal = Principal(tenant=TENANT, user=USER, permissions=permissions) if signed_in else None
    try:
        guards_of(graph.supergraph).check(graph.prepare(query), principal)
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize(
    ("permissions", "may"),
    [
        ((), False),
        (("hr.salary.read",), False),
        (("hr.salary.read", "hr.employee.read"), True),
        (("hr.payroll.approve",), True),
        (("hr.*",), True),
        (("*",), True),
        (("hr.*@team",), False),  # whose salary it is the gateway can't tell
    ],
)
def test_a_guarded_field_takes_one_of_its_alternatives_whole(
    graph: Graph, permissions: tuple[str, ...], may: bool
) -> None:
    assert _may(graph, "{ employee { name salary } }", *permissions) is may
    assert _may(graph, "{ employee { name } }", *permissions)


@pytest.mark.parametrize(
    "query",
    [
        "{ employee { ...f } } fragment f on Employee { x: salary }",
        "{ any { salary } }",  # an interface asks what the types behind it ask
        "{ any { ... on Employee { salary } } }",
        "{ found { ... on Employee { salary } } }",
        "query($no: Boolean = false) { employee { salary @include(if: $no) } }",
        "mutation { raise { salary } }",
        "{ employee { ... @defer { salary } } }",
        "{ grade }",
    ],
)
def test_there_is_no_way_around(graph: Graph, query: str) -> None:
    assert not _may(graph, query, "hr.employee.read")
    assert _may(graph, query, "*")


def test_who_is_not_signed_in_sees_what_is_guarded_by_nothing(graph: Graph) -> None:
    assert _may(graph, "{ open __typename }", signed_in=False)
    assert not _may(graph, "{ employee { name } }", signed_in=False)
    assert not _may(graph, "{ found { ... on Employee { name } } }", signed_in=False)


def test_a_policy_is_met_by_nobody(graph: Graph) -> None:
    assert not _may(graph, "{ judged }", "*")


async def test_nothing_is_executed_of_an_operation_that_selects_a_guarded_field(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.start()
        (tmp_path / "supergraph.graphql").write_text(_guarded_crm())
        await here.gateway.served.reload()
        refused = await here.graphql('mutation { rename(name: "x") }', token=here.token(permissions=("crm.deal.read",)))
        allowed = await here.graphql('mutation { rename(name: "y") }')

    assert refused[0] == 403
    assert refused[1]["errors"][0]["extensions"] == {"code": "FORBIDDEN"}
    assert allowed[1] == {"data": {"rename": "y"}}
    assert here.crm.done == ["y"]


def _guarded_crm() -> str:
    """Return a supergraph that asks for a scope; the module's own process knows nothing of it."""
    guard = 'rename(name: String!): String @requiresScopes(scopes: [["crm.deal.write"]])'
    sdl = (SDL % _IMPORTS).strip().splitlines()[0] + CRM.replace("rename(name: String!): String", guard)
    composed = compose([Subgraph("crm", "module:crm", sdl)])
    assert composed.sdl, composed.errors
    return composed.sdl
