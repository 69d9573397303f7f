"""Tenant scope: every object type and root field of a subgraph says whose data it is, and all subgraphs say the same.

`@tenant(scope: TENANT | GLOBAL)` is of the specification https://mewayz.dev/specs/tenant; it is asked of subgraphs that
link it, or of all when composing with `require_tenancy`.
"""

from collections.abc import Iterator

from router.composition.facts import ROOT_NAMES, Element, SubgraphFacts, TypeFacts
from router.composition.merge.merging import Merging, describe
from router.composition.values import Value
from router.supergraph.model import Kind, Supergraph, named

IDENTITY = "https://mewayz.dev/specs/tenant"
_SCOPES = ("TENANT", "GLOBAL")


def check_tenancy(merging: Merging, supergraph: Supergraph, *, require: bool) -> None:
    """TENANT_UNSCOPED where the mark is missing, TENANT_MISMATCH where marks contradict each other."""
    scopes: dict[str, dict[int, str]] = {}
    for subgraph in merging.subgraphs:
        link = subgraph.links.of(IDENTITY)
        if link is None and not require:
            continue
        written = link.local_name("@tenant")[1:] if link else "tenant"
        for at, one in _scoped(subgraph):
            scope = _scope(one, written)
            if scope in _SCOPES:
                scopes.setdefault(at, {})[subgraph.index] = str(scope)
            elif scope is None and at.split(".")[0] in supergraph.types:
                message = (
                    f'[{subgraph.name}] "{at}" does not say whose data it is: add @tenant(scope: TENANT) or GLOBAL.'
                )
                merging.error("TENANT_UNSCOPED", message, [one])
    for at, given in scopes.items():
        if len(set(given.values())) > 1:
            message = f"{at} is of {describe(merging, given)}: give it the same @tenant scope everywhere."
            merging.report.error("TENANT_MISMATCH", message, at=merging.places(at))
    _check_roots(merging, supergraph, {at: next(iter(given.values())) for at, given in scopes.items()})


def _scoped(subgraph: SubgraphFacts) -> Iterator[tuple[str, Element]]:
    """Yield what must carry a scope: the object types, and, of the roots, the fields."""
    for owner in subgraph.types.values():
        if owner.kind != "OBJECT":
            continue
        if owner.name not in ROOT_NAMES.values():
            yield owner.name, owner
        else:
            yield from ((f"{owner.name}.{field.name}", field) for field in owner.fields.values())


def _scope(one: Element | TypeFacts, written: str) -> Value:
    for use in one.directives:
        if use.written == written:
            return use.arguments.get("scope")
    return None


def _check_roots(merging: Merging, supergraph: Supergraph, scopes: dict[str, str]) -> None:
    """A root field that knows no tenant cannot give data of one."""
    for root in supergraph.roots.values():
        for field in supergraph.types[root].fields.values():
            at, target = f"{root}.{field.name}", supergraph.types.get(named(field.type))
            if scopes.get(at) != "GLOBAL" or target is None or target.kind is not Kind.OBJECT:
                continue
            if scopes.get(target.name) == "TENANT":
                message = f"{at} is GLOBAL but gives {target.name}, which is of a TENANT: correct one of the two."
                merging.report.error("TENANT_MISMATCH", message, at=merging.places(at))
