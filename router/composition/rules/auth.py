"""@authenticated, @requiresScopes, @policy: where they may stand, and that @requires leaks nothing around them."""

from collections.abc import Iterable
from typing import NamedTuple

from graphql import parse_const_value

from router.composition.facts import Applied, SubgraphFacts
from router.composition.merge.merging import Merging
from router.composition.report import Report
from router.composition.values import read_value
from router.supergraph import model
from router.supergraph.field_set import FieldSet, Narrowed

_DIRECTIVES = ("authenticated", "requiresScopes", "policy")


def check_auth_places(facts: SubgraphFacts, report: Report) -> None:
    """AUTH_REQUIREMENTS_APPLIED_ON_INTERFACE: interfaces get the requirements of their implementations."""
    for owner in facts.types.values():
        stands_in = owner.kind == "OBJECT" and owner.directives and owner.has("interfaceObject")
        if owner.kind != "INTERFACE" and not stands_in:
            continue
        marks: list[tuple[str, Applied]] = [(owner.name, use) for use in owner.directives]
        if owner.kind == "INTERFACE":
            marks += [
                (f"{owner.name}.{field.name}", use) for field in owner.fields.values() for use in field.directives
            ]
        for at, use in marks:
            if use.name in _DIRECTIVES:
                message = f'[{facts.name}] @{use.written} on "{at}": put it on the implementing types or their fields.'
                report.error("AUTH_REQUIREMENTS_APPLIED_ON_INTERFACE", message, at=[use.location])


class _Needs(NamedTuple):
    """Requirements, each a set of alternatives that are sets of names; () needs nothing."""

    authenticated: bool
    scopes: frozenset[frozenset[str]]
    policies: frozenset[frozenset[str]]

    def cover(self, other: "_Needs") -> bool:
        """Whether whoever meets these meets the others, too."""
        if other.authenticated and not self.authenticated:
            return False
        return _covers(self.scopes, other.scopes) and _covers(self.policies, other.policies)


def check_transitive_auth(merging: Merging, supergraph: model.Supergraph) -> None:
    """MISSING_TRANSITIVE_AUTH_REQUIREMENTS: a field asks of its caller all that the fields it @requires ask."""
    if not any(name in merging.shown for name in _DIRECTIVES):
        return
    for owner in supergraph.types.values():
        for field in owner.fields.values():
            own = _needs(merging, (*owner.applied, *field.applied))
            for index, source in field.sources.items():
                for at in _uncovered(merging, supergraph, owner.name, source.requires, own):
                    subgraph = merging.subgraphs[index]
                    message = (
                        f'[{subgraph.name}] "{owner.name}.{field.name}" @requires "{at}" but asks less of its caller: '
                        f"give it the @authenticated, @requiresScopes and @policy of {at}."
                    )
                    declared = subgraph.field_at((owner.name, field.name))
                    places = [*([declared.location] if declared else []), *merging.places(at)]
                    merging.report.error("MISSING_TRANSITIVE_AUTH_REQUIREMENTS", message, at=places)


def _uncovered(
    merging: Merging, supergraph: model.Supergraph, owner: str, fields: FieldSet, own: _Needs
) -> Iterable[str]:
    for one in fields:
        if isinstance(one, Narrowed):
            yield from _uncovered(merging, supergraph, one.on or owner, one.inner, own)
            continue
        parent = supergraph.types.get(owner)
        field = parent.fields.get(one.name) if parent else None
        if field is None:
            continue
        child = supergraph.types.get(model.named(field.type))
        if not own.cover(_needs(merging, (*field.applied, *(child.applied if child else ())))):
            yield f"{owner}.{one.name}"
        if child is not None:
            yield from _uncovered(merging, supergraph, child.name, one.inner, own)


def _needs(merging: Merging, applied: Iterable[model.Applied]) -> _Needs:
    names = {merging.shown.get(name): name for name in _DIRECTIVES}
    authenticated = False
    groups: dict[str, frozenset[frozenset[str]]] = {}
    for use in applied:
        kind = names.get(use.name)
        authenticated = authenticated or kind == "authenticated"
        for argument in ("scopes", "policies"):
            if kind in ("requiresScopes", "policy") and argument in use.arguments:
                alternatives = _groups(use.arguments[argument])
                before = groups.get(argument)
                both = {one | other for one in before for other in alternatives} if before else alternatives
                groups[argument] = frozenset(both)
    empty: frozenset[frozenset[str]] = frozenset()
    return _Needs(authenticated, groups.get("scopes", empty), groups.get("policies", empty))


def _groups(text: str) -> frozenset[frozenset[str]]:
    value = read_value(parse_const_value(text))
    rows = value if isinstance(value, list) else [value]
    return frozenset(frozenset(map(str, row)) if isinstance(row, list) else frozenset((str(row),)) for row in rows)


def _covers(mine: frozenset[frozenset[str]], needed: frozenset[frozenset[str]]) -> bool:
    """Each alternative that lets a caller in here includes one that is asked for there."""
    if not needed or frozenset() in needed:
        return True
    return bool(mine) and all(any(wanted <= given for wanted in needed) for given in mine)
