"""The directives that composition understands: their definitions and the Federation version that brought each.

Sources: Apollo Federation specification 2.0 to 2.12, directive definitions; tag, inaccessible and cost specifications.
"""

from functools import lru_cache
from typing import cast

from graphql import DirectiveDefinitionNode, parse

SPECS = "https://specs.apollo.dev"
FEDERATION = f"{SPECS}/federation"
LINK = f"{SPECS}/link"
LATEST = (2, 12)

_EVERYWHERE = (
    "FIELD_DEFINITION | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION | SCALAR | ENUM | ENUM_VALUE"
    " | INPUT_OBJECT | INPUT_FIELD_DEFINITION"
)
_GUARDED = "FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM"

DEFINITIONS = f"""
directive @key(fields: FieldSet!, resolvable: Boolean = true) repeatable on OBJECT | INTERFACE
directive @requires(fields: FieldSet!) on FIELD_DEFINITION
directive @provides(fields: FieldSet!) on FIELD_DEFINITION
directive @external(reason: String) on OBJECT | FIELD_DEFINITION
directive @tag(name: String!) repeatable on {_EVERYWHERE} | SCHEMA
directive @extends on OBJECT | INTERFACE
directive @shareable repeatable on OBJECT | FIELD_DEFINITION
directive @inaccessible on {_EVERYWHERE}
directive @override(from: String!, label: String) on FIELD_DEFINITION
directive @composeDirective(name: String) repeatable on SCHEMA
directive @interfaceObject on OBJECT
directive @authenticated on {_GUARDED}
directive @requiresScopes(scopes: [[Scope!]!]!) on {_GUARDED}
directive @policy(policies: [[Policy!]!]!) on {_GUARDED}
directive @context(name: String!) repeatable on INTERFACE | OBJECT | UNION
directive @fromContext(field: ContextFieldValue) on ARGUMENT_DEFINITION
directive @cost(weight: Int!) on
  ARGUMENT_DEFINITION | ENUM | FIELD_DEFINITION | INPUT_FIELD_DEFINITION | OBJECT | SCALAR
directive @listSize(
  assumedSize: Int, slicingArguments: [String!], sizedFields: [String!], requireOneSlicingArgument: Boolean = true
) on FIELD_DEFINITION
directive @cacheTag(format: String!) repeatable on OBJECT | INTERFACE | FIELD_DEFINITION
directive @link(url: String, as: String, for: Purpose, import: [Import]) repeatable on SCHEMA
directive @deprecated(reason: String = "No longer supported") on
  FIELD_DEFINITION | ENUM_VALUE | ARGUMENT_DEFINITION | INPUT_FIELD_DEFINITION
directive @specifiedBy(url: String!) on SCALAR
directive @oneOf on INPUT_OBJECT
"""

BUILT_IN: frozenset[str] = frozenset({"deprecated", "specifiedBy", "oneOf", "skip", "include"})
FEDERATION_1: frozenset[str] = frozenset({"key", "requires", "provides", "external", "extends", "tag"})

SINCE: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("key", "requires", "provides", "external", "extends", "tag"), (2, 0)),
    **dict.fromkeys(("shareable", "inaccessible", "override"), (2, 0)),
    "composeDirective": (2, 1),
    "interfaceObject": (2, 3),
    "authenticated": (2, 5),
    "requiresScopes": (2, 5),
    "policy": (2, 6),
    "context": (2, 8),
    "fromContext": (2, 8),
    "cost": (2, 9),
    "listSize": (2, 9),
    "cacheTag": (2, 12),
}

TYPES_SINCE: dict[str, tuple[int, int]] = {
    "FieldSet": (2, 0),
    "Scope": (2, 5),
    "Policy": (2, 6),
    "ContextFieldValue": (2, 8),
}

# The specifications that may be linked without the federation one: identity -> elements and newest version.
KNOWN_SPECS: dict[str, tuple[frozenset[str], tuple[int, int]]] = {
    f"{SPECS}/tag": (frozenset({"tag"}), (0, 3)),
    f"{SPECS}/inaccessible": (frozenset({"inaccessible"}), (0, 2)),
    f"{SPECS}/authenticated": (frozenset({"authenticated"}), (0, 1)),
    f"{SPECS}/requiresScopes": (frozenset({"requiresScopes"}), (0, 1)),
    f"{SPECS}/policy": (frozenset({"policy"}), (0, 1)),
    f"{SPECS}/context": (frozenset({"context", "fromContext"}), (0, 1)),
    f"{SPECS}/cost": (frozenset({"cost", "listSize"}), (0, 1)),
    f"{SPECS}/cacheTag": (frozenset({"cacheTag"}), (0, 1)),
    f"{SPECS}/connect": (frozenset({"connect", "source"}), (0, 4)),
    LINK: (frozenset({"link"}), (1, 0)),
    FEDERATION: (frozenset(SINCE), (2, 12)),
}


@lru_cache(maxsize=1)
def definitions() -> dict[str, DirectiveDefinitionNode]:
    """Return the definition of every directive composition knows, by canonical name."""
    nodes = cast("tuple[DirectiveDefinitionNode, ...]", parse(DEFINITIONS, no_location=True).definitions)
    return {node.name.value: node for node in nodes}


def known_directives(version: tuple[int, int] | None) -> frozenset[str]:
    """Return what a subgraph of this Federation version may use (None is Federation 1)."""
    if version is None:
        return FEDERATION_1
    return frozenset(name for name, since in SINCE.items() if since <= version)
