"""Who may see what a supergraph guards by @authenticated, @requiresScopes and @policy (issue 5: rules of single fields).

A scope is a permission, and must be held for the whole company: of `@own` and `@team` the gateway can't tell whose row an
answer will show. A @policy is met by nobody: there is nothing that could decide it. An operation that selects one guarded
field in vain is refused whole, and nothing of it is executed. Source: Apollo Federation, "Authorization directives".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from graphql import (
    FieldNode,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    parse_const_value,
    value_from_ast_untyped,
    visit,
)

from router.errors import Forbidden
from router.execution.prepared import Prepared
from router.supergraph.model import Applied, Kind, Supergraph
from shared.wire.principal import Principal, RowScope

_SPECS = "https://specs.apollo.dev/"
_DIRECTIVES = ("authenticated", "requiresScopes", "policy")

K = TypeVar("K")
Need: TypeAlias = frozenset[frozenset[str]]
"""Alternatives, each a set of permissions that must all be held; without an alternative nobody may."""

_SIGNED_IN: Need = frozenset({frozenset()})
_NOBODY: Need = frozenset()


@dataclass(frozen=True, slots=True)
class Guards:
    """What a supergraph asks of its callers, by type and by field; each need of a set must be met."""

    types: Mapping[str, frozenset[Need]] = field(default_factory=dict[str, frozenset[Need]])
    fields: Mapping[tuple[str, str], frozenset[Need]] = field(default_factory=dict[tuple[str, str], frozenset[Need]])

    def check(self, prepared: Prepared, principal: Principal | None) -> None:
        """Raise Forbidden where an operation selects what its caller may not see; nobody is signed in at a plain router."""
        if not (self.types or self.fields):
            return
        selected = _Selected(self, prepared.schema)
        typed = TypeInfoVisitor(selected.info, selected)
        for node in (prepared.node, *prepared.fragments.values()):
            visit(node, typed)
        for where, needs in selected.found.items():
            if principal is None or not all(_meets(principal, need) for need in needs):
                raise Forbidden(f"You may not see {where}.", field=where)


def guards_of(supergraph: Supergraph) -> Guards:
    """Return what the supergraph's directives guard; an interface asks all that the types behind it ask."""
    names = _shown_names(supergraph)
    types: dict[str, frozenset[Need]] = {}
    fields: dict[tuple[str, str], frozenset[Need]] = {}
    none: frozenset[Need] = frozenset()
    for kind in supergraph.types.values():
        _put(types, kind.name, _needs(kind.applied, names))
        for one in kind.fields.values():
            _put(fields, (kind.name, one.name), _needs(one.applied, names))
    for kind in supergraph.types.values():
        if kind.kind is Kind.OBJECT:
            for interface in kind.interfaces:
                for name in supergraph.types[interface].fields:
                    behind = types.get(kind.name, none) | fields.get((kind.name, name), none)
                    _put(fields, (interface, name), behind)
    return Guards(types, fields)


class _Selected(Visitor):
    """Collects the guarded fields of a document, by their names with their types."""

    def __init__(self, guards: Guards, schema: GraphQLSchema) -> None:
        super().__init__()
        self.info = TypeInfo(schema)
        self.found: dict[str, frozenset[Need]] = {}
        self._guards = guards

    def enter_field(self, node: FieldNode, *_: object) -> None:
        parent, name = self.info.get_parent_type(), node.name.value
        shown = get_named_type(self.info.get_type())  # pyright: ignore[reportUnknownMemberType] its union holds lists of Unknown
        if parent is None or shown is None or name.startswith("__"):
            return
        types, fields = self._guards.types, self._guards.fields
        # The type the field is asked of, too: a fragment may have narrowed an interface to it.
        needs = [types.get(parent.name), types.get(shown.name), fields.get((parent.name, name))]
        _put(self.found, f"{parent.name}.{name}", frozenset[Need]().union(*(one for one in needs if one)))


def _shown_names(supergraph: Supergraph) -> dict[str, str]:
    """Return the names that the supergraph gives the directives, with their own: `@link` may rename them."""
    found: dict[str, str] = {}
    for link in supergraph.links:
        name = link.url.removeprefix(_SPECS).partition("/")[0]
        if name in _DIRECTIVES and link.url.startswith(_SPECS):
            renamed = {key: value for written in link.imports for key, value in _renaming(written)}
            found[renamed.get(f"@{name}", f"@{link.alias or name}").removeprefix("@")] = name
    return found


def _renaming(written: str) -> Iterable[tuple[str, str]]:
    value: dict[str, str] | str = _literal(written)
    if isinstance(value, dict):
        yield value["name"], value.get("as", value["name"])


def _needs(applied: Iterable[Applied], names: Mapping[str, str]) -> frozenset[Need]:
    return frozenset(_need(names[one.name], one) for one in applied if one.name in names)


def _need(name: str, applied: Applied) -> Need:
    if name == "authenticated":
        return _SIGNED_IN
    return frozenset(map(frozenset, _literal(applied.arguments["scopes"]))) if name == "requiresScopes" else _NOBODY


def _literal(text: str) -> Any:
    return value_from_ast_untyped(parse_const_value(text))


def _put(found: dict[K, frozenset[Need]], key: K, needs: frozenset[Need]) -> None:
    if needs:
        found[key] = found[key] | needs if key in found else needs


def _meets(principal: Principal, need: Need) -> bool:
    return any(all(principal.scope(one) is RowScope.TENANT for one in alternative) for alternative in need)
