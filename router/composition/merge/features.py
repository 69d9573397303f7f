"""What the supergraph links: the specifications in use, directives to compose, executable directives."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from graphql import TypeNode, print_ast

from router.composition.facts import Applied, DirectiveFacts, Field, SubgraphFacts
from router.composition.federation import FEDERATION, KNOWN_SPECS, SPECS, definitions
from router.composition.links import Link
from router.composition.merge.arguments import merge_arguments
from router.composition.merge.directives import merge_applied
from router.composition.merge.merging import Merging, merge_description
from router.composition.report import HintLevel
from router.composition.values import print_value, read_value
from router.supergraph import model

_EXECUTABLE = (
    "QUERY",
    "MUTATION",
    "SUBSCRIPTION",
    "FIELD",
    "FRAGMENT_DEFINITION",
    "FRAGMENT_SPREAD",
    "INLINE_FRAGMENT",
    "VARIABLE_DEFINITION",
)


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
            _import(name, names[name]) for name in used if name != spec.directives[0] or names[name] != name
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
    composed = _composed(merging)
    links += composed.links
    return Features(tuple(links), directives | composed.directives | _executable(merging), tuple(scalars))


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
    for subgraph in merging.subgraphs:
        for link in subgraph.links.all:
            spec = KNOWN_SPECS.get(link.identity)
            imported = [one.alias[1:] for one in link.imports if one.name == f"@{name}"]
            if imported and spec is not None and name in spec[0]:
                names.setdefault(imported[0], []).append(subgraph.index)
    if len(names) > 1:
        told = " but ".join(f'"@{alias}" in {merging.names(indexes)}' for alias, indexes in names.items())
        merging.error("LINK_IMPORT_NAME_MISMATCH", f"@{name} is imported as {told}: use one name everywhere.")
    return next(iter(names), name)


def _import(name: str, shown: str) -> str:
    return f'"@{name}"' if name == shown else f'{{ name: "@{name}", as: "@{shown}" }}'


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


class _Composed(NamedTuple):
    links: list[model.Link]
    directives: dict[str, model.Directive]


def _composed(merging: Merging) -> _Composed:
    """@composeDirective: the newest linked version's definition stands; majors and names must agree."""
    wanted: dict[str, list[tuple[SubgraphFacts, Link, DirectiveFacts, str]]] = {}
    for subgraph in merging.subgraphs:
        for use in subgraph.schema_directives:
            if use.name == "composeDirective":
                found = _compose_argument(merging, subgraph, use)
                if found is not None:
                    link, element = found
                    definition = subgraph.directives[(use.text("name") or "@")[1:]]
                    wanted.setdefault(f"{link.identity} {element}", []).append((subgraph, link, definition, element))
    links: dict[str, Link] = {}
    imports: dict[str, dict[str, None]] = {}
    directives: dict[str, model.Directive] = {}
    for group in wanted.values():
        names = {definition.name for _, _, definition, _ in group}
        identity = group[0][1].identity
        everyone = [link for one in merging.subgraphs if (link := one.links.of(identity))]
        if len({link.version[0] for link in everyone}) > 1:
            message = f"{identity} is linked in different major versions: link one major version everywhere."
            merging.report.error("DIRECTIVE_COMPOSITION_ERROR", message, at=[link.location for link in everyone])
            continue
        if len(names) > 1:
            message = f"A composed directive of {identity} is named {_or(names)}: use one name everywhere."
            merging.report.error("DIRECTIVE_COMPOSITION_ERROR", message, at=[one[1].location for one in group])
            continue
        newest = max(group, key=lambda one: one[1].version)
        directives[newest[2].name] = _copy(merging, newest[0].index, newest[2])
        canonical = f"@{newest[2].name}"
        merging.shown[canonical] = newest[2].name
        if newest[2].is_repeatable:
            merging.repeatable.add(canonical)
        links[identity] = max((links.get(identity, newest[1]), newest[1]), key=lambda link: link.version)
        for _, link, _, _ in sorted(group, key=lambda one: one[1].version, reverse=True)[:1]:
            for one in link.imports:
                imports.setdefault(identity, {})[_import_text(one.name, one.alias)] = None
    made = [
        model.Link(links[one].url, _alias(links[one]), tuple(imports.get(one, ())), links[one].purpose) for one in links
    ]
    return _Composed(made, directives)


def _alias(link: Link) -> str | None:
    return link.prefix if link.prefix != link.name else None


def _or(names: Iterable[str]) -> str:
    return " or ".join(f'"@{name}"' for name in sorted(names))


def _import_text(name: str, alias: str) -> str:
    return f'"{name}"' if name == alias else f'{{ name: "{name}", as: "{alias}" }}'


def _compose_argument(merging: Merging, subgraph: SubgraphFacts, use: Applied) -> tuple[Link, str] | None:
    """Return what @composeDirective(name:) stands for, or report why it stands for nothing."""
    name = use.text("name")
    problem = ""
    source = subgraph.links.source(name) if name else None
    if not name or not name.startswith("@"):
        problem = f"{print_value(use.arguments.get('name'))} has no leading @"
    elif source is not None and source[0].identity == FEDERATION:
        problem = f"{name} is a federation directive, which composes by itself"
    elif source is not None and source[0].identity in KNOWN_SPECS:
        message = f"[{subgraph.name}] @composeDirective: {name} composes by itself, the mark can be removed."
        merging.hint("DIRECTIVE_COMPOSITION_INFO", HintLevel.INFO, message, name)
        return None
    elif name[1:] not in subgraph.directives:
        problem = f"{name} is not defined in this subgraph"
    elif source is None:
        problem = f"{name} belongs to no specification that is linked: add an @link that imports it"
    if not problem:
        return source
    message = f"[{subgraph.name}] @composeDirective: {problem}."
    merging.report.error("DIRECTIVE_COMPOSITION_ERROR", message, at=[use.location])
    return None


def _copy(merging: Merging, index: int, one: DirectiveFacts) -> model.Directive:
    arguments = {
        name: model.Argument(
            name,
            a.type,
            print_value(a.default) if a.has_default else None,
            a.description,
            merge_applied(merging, {index: a}, f"@{one.name}({name}:)"),
        )
        for name, a in one.arguments.items()
    }
    return model.Directive(one.name, one.locations, arguments, one.is_repeatable, one.description)


def _executable(merging: Merging) -> dict[str, model.Directive]:
    """Executable directives stay where every subgraph has them, with what they have in common."""
    names: dict[str, None] = {}
    for subgraph in merging.subgraphs:
        for one in subgraph.directives.values():
            if one.name not in ("skip", "include") and any(place in _EXECUTABLE for place in one.locations):
                names[one.name] = None
    merged: dict[str, model.Directive] = {}
    for name in names:
        if f"@{name}" in merging.shown:
            continue
        made = _merge_executable(merging, name)
        if made is not None:
            merged[name] = made
    return merged


def _merge_executable(merging: Merging, name: str) -> model.Directive | None:
    sources = {one.index: one.directives[name] for one in merging.subgraphs if name in one.directives}
    sources = {i: one for i, one in sources.items() if any(place in _EXECUTABLE for place in one.locations)}
    at = f"@{name}"
    if len(sources) < len(merging.subgraphs):
        missing = [one.index for one in merging.subgraphs if one.index not in sources]
        message = f"{at} is left out: it is defined in {merging.names(sources)} but not in {merging.names(missing)}."
        code = "INCONSISTENT_EXECUTABLE_DIRECTIVE_PRESENCE"
        merging.hint(code, HintLevel.WARN, message, at, sources.values())
        return None
    places = [{place for place in one.locations if place in _EXECUTABLE} for one in sources.values()]
    common = set[str].intersection(*places)
    if not common:
        message = f"{at} is left out: no place to use it is common to {merging.names(sources)}."
        merging.hint("NO_EXECUTABLE_DIRECTIVE_INTERSECTION", HintLevel.WARN, message, at, sources.values())
        return None
    if any(one != common for one in places):
        message = f"{at} can be used on {', '.join(sorted(common))} only, what {merging.names(sources)} have in common."
        merging.hint("INCONSISTENT_EXECUTABLE_DIRECTIVE_LOCATIONS", HintLevel.WARN, message, at, sources.values())
    repeatable = all(one.is_repeatable for one in sources.values())
    if not repeatable and any(one.is_repeatable for one in sources.values()):
        message = f"{at} is not repeatable, as it is not in all of {merging.names(sources)}."
        merging.hint("INCONSISTENT_EXECUTABLE_DIRECTIVE_REPEATABLE", HintLevel.WARN, message, at, sources.values())
    fields = {index: _as_field(one) for index, one in sources.items()}
    arguments = merge_arguments(merging, fields, at)
    ordered = tuple(place for place in _EXECUTABLE if place in common)
    return model.Directive(name, ordered, arguments, repeatable, merge_description(merging, sources, at))


def _as_field(one: DirectiveFacts) -> Field:
    return Field(one.name, one.location, one.description, [], "Boolean", one.arguments)
