"""What the supergraph links: the specifications in use, and which directives it shows under which names."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from graphql import TypeNode, print_ast

from router.composition.facts import Applied, SubgraphFacts
from router.composition.federation import KNOWN_SPECS, SPECS, definitions
from router.composition.links import Link
from router.composition.merge.composed import import_text, merge_composed
from router.composition.merge.executable import merge_executable
from router.composition.merge.merging import Merging
from router.composition.report import Location
from router.composition.values import print_value, read_value
from router.supergraph import model


class _Spec(NamedTuple):
    """A specification of the supergraph: its URL's end, its purpose, its directives (its own name first).

    The directives of a joined one travel in @join__directive.
    """

    path: str
    purpose: str | None
    directives: tuple[str, ...]
    scalar: str | None = None
    is_joined: bool = False


_SPECS = (
    _Spec("tag/v0.3", None, ("tag",)),
    _Spec("inaccessible/v0.2", "SECURITY", ("inaccessible",)),
    _Spec("authenticated/v0.1", "SECURITY", ("authenticated",)),
    _Spec("requiresScopes/v0.1", "SECURITY", ("requiresScopes",), "requiresScopes__Scope"),
    _Spec("policy/v0.1", "SECURITY", ("policy",), "policy__Policy"),
    _Spec("context/v0.1", "SECURITY", ("context",), "context__ContextFieldValue"),
    _Spec("cost/v0.1", None, ("cost", "listSize")),
    _Spec("cacheTag/v0.1", "EXECUTION", ("cacheTag",), is_joined=True),
    _Spec("connect/v0.3", "EXECUTION", ("connect", "source"), is_joined=True),
)
_ALWAYS_SHOWN = ("deprecated", "specifiedBy", "oneOf")
_TYPES_IN_SUPERGRAPH = {"Scope": "requiresScopes__Scope", "Policy": "policy__Policy"}


class Features(NamedTuple):
    """What goes into the supergraph beside its types."""

    links: tuple[model.Link, ...]
    directives: dict[str, model.Directive]
    scalars: tuple[str, ...]


def merge_features(merging: Merging) -> Features:
    """Decide which directives the supergraph shows and under which names; fills `merging.shown`."""
    applied = set[str]().union(*(_applied_names(one) for one in merging.subgraphs))
    linked = {name for one in merging.subgraphs for link in one.links.all for name in _joined_names(link)}
    merging.shown = {name: name for name in _ALWAYS_SHOWN}
    merging.repeatable = {"tag", "context", "cacheTag"}
    links: list[model.Link] = []
    directives: dict[str, model.Directive] = {}
    scalars: list[str] = []
    for spec in _SPECS:
        used = [name for name in spec.directives if name in applied or (spec.is_joined and name in linked)]
        if not used:
            continue
        names = {name: _shown_name(merging, name) for name in used}
        imports = tuple(
            import_text(f"@{name}", f"@{names[name]}")
            for name in used
            if name != spec.directives[0] or names[name] != name
        )
        if spec.is_joined:
            links.append(model.Link(f"{SPECS}/{spec.path}", purpose=spec.purpose))
            continue
        links.append(model.Link(f"{SPECS}/{spec.path}", imports=imports, purpose=spec.purpose))
        merging.shown |= names
        own = spec.directives[0]
        directives |= {shown: _definition(name, shown) for name, shown in ({own: own} | names).items()}
        scalars += [spec.scalar] if spec.scalar else []
        if "context" in used:
            directives["context__fromContext"] = _from_context()
    composed = merge_composed(merging)
    links += composed.links
    return Features(tuple(links), directives | composed.directives | merge_executable(merging), tuple(scalars))


def _joined_names(link: Link) -> frozenset[str]:
    return KNOWN_SPECS[link.identity][0] if link.identity == f"{SPECS}/connect" else frozenset()


def _applied_names(facts: SubgraphFacts) -> frozenset[str]:
    if facts.applied_names is None:
        facts.applied_names = frozenset(use.name for use in _all_applied(facts))
    return facts.applied_names


def _all_applied(facts: SubgraphFacts) -> Iterator[Applied]:
    yield from facts.schema_directives
    for owner in facts.types.values():
        yield from owner.directives
        for field in owner.fields.values():
            yield from field.directives
            for argument in field.arguments.values():
                yield from argument.directives
        for value in owner.values.values():
            yield from value.directives


def _shown_name(merging: Merging, name: str) -> str:
    """Return the directive's name in the supergraph: subgraphs that rename it must rename it alike."""
    names: dict[str, list[int]] = {}
    places: list[Location] = []
    for subgraph in merging.subgraphs:
        for link in subgraph.links.all:
            spec = KNOWN_SPECS.get(link.identity)
            imported = [one.alias[1:] for one in link.imports if one.name == f"@{name}"]
            if imported and spec is not None and name in spec[0]:
                names.setdefault(imported[0], []).append(subgraph.index)
                places.append(link.location)
    if len(names) > 1:
        told = " but ".join(f'"@{alias}" in {merging.names(indexes)}' for alias, indexes in names.items())
        message = f"@{name} is imported as {told}: use one name everywhere."
        merging.report.error("LINK_IMPORT_NAME_MISMATCH", message, at=places)
    return next(iter(names), name)


def with_inaccessible(supergraph: model.Supergraph) -> model.Supergraph:
    """Return the supergraph with @inaccessible linked and defined, so that it can be printed with the marks."""
    if "inaccessible" in supergraph.directives:
        return supergraph
    spec = next(one for one in _SPECS if one.directives[0] == "inaccessible")
    link = model.Link(f"{SPECS}/{spec.path}", purpose=spec.purpose)
    directives = {**supergraph.directives, "inaccessible": _definition("inaccessible", "inaccessible")}
    return replace(supergraph, links=(link, *supergraph.links), directives=directives)


def _definition(name: str, shown: str) -> model.Directive:
    node = definitions()[name]
    arguments: dict[str, model.Argument] = {}
    for one in node.arguments or ():
        reference = _reference(one.type)
        default = print_value(read_value(one.default_value)) if one.default_value else None
        arguments[one.name.value] = model.Argument(one.name.value, reference, default)
    places = tuple(one.value for one in node.locations)
    return model.Directive(shown, places, arguments, node.repeatable)


def _reference(node: TypeNode) -> str:
    text = print_ast(node)
    for name, shown in _TYPES_IN_SUPERGRAPH.items():
        text = text.replace(name, shown)
    return text


def _from_context() -> model.Directive:
    argument = model.Argument("field", "context__ContextFieldValue")
    return model.Directive("context__fromContext", ("ARGUMENT_DEFINITION",), {"field": argument})
