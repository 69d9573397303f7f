"""Each directive of Federation 2.0 to 2.12 can be used from the version that brought it, and not before."""

import re

import pytest

from router.composition import Subgraph, compose

# Apollo Federation, "Federation version changelog": what each version brought, as one use of it in subgraph a.
BROUGHT = {
    "2.0": (
        'type A @key(fields: "id") @key(fields: "x", resolvable: false) { id: ID! x: Int }',
        'type A @key(fields: "id") { id: ID! far: Int @external y: Int @requires(fields: "far") }',
        'type A @key(fields: "id") { id: ID! a: A @provides(fields: "far") far: Int @external(reason: "it is of b") }',
        'type A @extends @key(fields: "id") { id: ID! }',
        "type A @shareable { x: Int } type C { y: Int @shareable }",
        "type A { x: Int y: Int @inaccessible }",
        'type A @key(fields: "id") { id: ID! far: Int @override(from: "b") }',
        'type A @tag(name: "t") { x: Int @tag(name: "u") }',
    ),
    "2.1": ('extend schema @composeDirective(name: "@tag")',),
    "2.2": ("type A @shareable { x: Int } extend type A @shareable { y: Int }",),
    "2.3": (
        'interface N @key(fields: "id") { id: ID! } type A implements N @key(fields: "id") { id: ID! }',
        'type I @interfaceObject @key(fields: "id") { id: ID! more: Int }',
        'extend schema @tag(name: "t")',
    ),
    "2.5": ("type A @authenticated { x: Int }", 'type A { x: Int @requiresScopes(scopes: [["a"]]) }'),
    "2.6": ('type A { x: Int @policy(policies: [["a"]]) }',),
    "2.7": ('type A @key(fields: "id") { id: ID! far: Int @override(from: "b", label: "percent(5)") }',),
    "2.8": (
        'type A @context(name: "c") { p: Int c: C } '
        'type C @key(fields: "id") { id: ID! f(x: Int @fromContext(field: "$c { p }")): Int }',
    ),
    "2.9": ("type A { x: Int @cost(weight: 3) }", "type A { x: [Int] @listSize(assumedSize: 3) }"),
    "2.12": ('type A @key(fields: "id") @cacheTag(format: "a-{$key.id}") { id: ID! }',),
}
B = """
extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable"])
type A @key(fields: "id") { id: ID! @shareable far: Int @shareable }
interface I @key(fields: "id") { id: ID! }
type J implements I @key(fields: "id") { id: ID! }
type Query { j: I }
"""
WRONG_VERSION = {"INVALID_LINK_DIRECTIVE_USAGE", "INVALID_GRAPHQL", "KEY_UNSUPPORTED_ON_INTERFACE"}
VERSIONS = [f"2.{minor}" for minor in range(13)]
USES = [(version, use) for version, uses in BROUGHT.items() for use in uses]


def _codes(version: str, use: str) -> set[str]:
    names = {"@key", "@shareable", "@tag", *re.findall(r"@\w+", use)}
    imports = ", ".join(f'"{name}"' for name in sorted(names))
    link = f'extend schema @link(url: "https://specs.apollo.dev/federation/v{version}", import: [{imports}])'
    base = "" if "type A" in use else " type A @shareable { x: Int }"
    a = f"{link}\n{use}{base}\ntype Query {{ a: A }}"
    return {error.code for error in compose([Subgraph("a", "", a), Subgraph("b", "", B)]).errors}


@pytest.mark.parametrize(("since", "use"), USES)
def test_a_directive_is_known_from_its_version_on(since: str, use: str) -> None:
    told = {version: _codes(version, use) for version in VERSIONS}

    known = [version for version, codes in told.items() if not codes & WRONG_VERSION]
    assert known == VERSIONS[VERSIONS.index(since) :], told
