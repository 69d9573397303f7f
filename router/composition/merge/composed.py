"""@composeDirective: directives of other specifications that subgraphs ask to keep in the supergraph."""

from collections.abc import Iterator
from typing import NamedTuple

from router.composition.facts import Applied, DirectiveFacts, SubgraphFacts
from router.composition.federation import FEDERATION, KNOWN_SPECS
from router.composition.links import Link
from router.composition.merge.directives import merge_applied
from router.composition.merge.merging import Merging
from router.composition.report import Hint, HintLevel
from router.composition.values import print_value
from router.supergraph import model

_COMPOSED_BY_ITSELF = frozenset(
    {"@tag", "@inaccessible", "@authenticated", "@requiresScopes", "@policy", "@context"},
)


class Composed(NamedTuple):
    """What @composeDirective adds to the supergraph."""

    links: list[model.Link]
    directives: dict[str, model.Directive]


class _Wish(NamedTuple):
    """One subgraph's wish to compose a directive: the specification's link, its name there, and the definition here."""

    number: int
    link: Link
    element: str
    definition: DirectiveFacts


def merge_composed(merging: Merging) -> Composed:
    """Compose the directives that subgraphs ask for, as the newest version linked defines them; fills `merging.shown`."""
    groups = _wishes(merging)
    agreed = [group for group in groups if _agrees(merging, group, groups)]
    newest = [max(group, key=lambda wish: wish.link.version) for group in agreed]
    merging.composers = {f"@{group[0].definition.name}": frozenset(wish.number for wish in group) for group in agreed}
    links: dict[str, Link] = {}
    imports: dict[str, dict[str, None]] = {}
    directives: dict[str, model.Directive] = {}
    for number, link, _, definition in newest:
        directives[definition.name] = _copy(merging, number, definition)
        merging.shown[f"@{definition.name}"] = definition.name
        if definition.is_repeatable:
            merging.repeatable.add(f"@{definition.name}")
        links[link.identity] = max(links.get(link.identity, link), link, key=lambda one: one.version)
        for one in link.imports:
            imports.setdefault(link.identity, {})[import_text(one.name, one.alias)] = None
    made = [
        model.Link(link.url, _alias(link), tuple(imports.get(identity, ())), link.purpose)
        for identity, link in links.items()
    ]
    return Composed(made, directives)


def _wishes(merging: Merging) -> list[list[_Wish]]:
    """Return what is to be composed, grouped by the directive meant."""
    groups: dict[tuple[str, str], list[_Wish]] = {}
    for subgraph in merging.subgraphs:
        for use in subgraph.schema_directives:
            if use.name == "composeDirective" and (found := _compose_argument(merging, subgraph, use)):
                link, element = found
                definition = subgraph.directives[(use.text("name") or "@")[1:]]
                groups.setdefault((link.identity, element), []).append(_Wish(subgraph.index, link, element, definition))
    return list(groups.values())


def _agrees(merging: Merging, group: list[_Wish], groups: list[list[_Wish]]) -> bool:
    """DIRECTIVE_COMPOSITION_ERROR where subgraphs compose different majors, or name the directive differently."""
    identity = group[0].link.identity
    others = [wish for one in groups for wish in one]
    composed = [wish.link for wish in others if wish.link.identity == identity]
    if len({link.version[0] for link in composed}) > 1:
        message = f"{identity} is composed in different major versions: link one major version everywhere."
        merging.report.error("DIRECTIVE_COMPOSITION_ERROR", message, at=[link.location for link in composed])
        return False
    _hint_on_other_majors(merging, group[0])
    names = sorted({wish.definition.name for wish in group})
    if len(names) > 1:
        told = " or ".join(f'"@{name}"' for name in names)
        message = f"A composed directive of {identity} is named {told}: use one name everywhere."
        merging.report.error("DIRECTIVE_COMPOSITION_ERROR", message, at=[wish.link.location for wish in group])
        return False
    same = [wish for wish in others if wish.definition.name == names[0]]
    if len(same) > len(group):
        message = f'"@{names[0]}" stands for different directives in different subgraphs: compose one of them.'
        merging.report.error("DIRECTIVE_COMPOSITION_ERROR", message, at=[wish.link.location for wish in same])
        return False
    _hint_on_other_names(merging, group[0])
    return True


def _hint_on_other_majors(merging: Merging, wish: _Wish) -> None:
    """DIRECTIVE_COMPOSITION_INFO where a subgraph that composes nothing links another major version."""
    for subgraph in merging.subgraphs:
        link = subgraph.links.of(wish.link.identity)
        if link and link.version[0] != wish.link.version[0]:
            message = f"[{subgraph.name}] links another major version of {link.identity}, which is not composed."
            _hint(merging, "DIRECTIVE_COMPOSITION_INFO", HintLevel.INFO, message, wish, link)


def _hint_on_other_names(merging: Merging, wish: _Wish) -> None:
    """DIRECTIVE_COMPOSITION_WARN where a subgraph that composes nothing imports the directive under another name."""
    name = f"@{wish.definition.name}"
    for subgraph in merging.subgraphs:
        link = subgraph.links.of(wish.link.identity)
        imported = next((one.alias for one in link.imports if one.name == wish.element), name) if link else name
        if link and imported != name:
            message = f"[{subgraph.name}] imports the composed directive {name} as {imported}: use one name everywhere."
            _hint(merging, "DIRECTIVE_COMPOSITION_WARN", HintLevel.WARN, message, wish, link)


def _hint(merging: Merging, code: str, level: HintLevel, message: str, wish: _Wish, link: Link) -> None:
    merging.report.hints.append(Hint(code, level, message, f"@{wish.definition.name}", (link.location,)))


def _alias(link: Link) -> str | None:
    return link.prefix if link.prefix != link.name else None


def import_text(name: str, alias: str) -> str:
    """Return an import as an @link writes it."""
    return f'"{name}"' if name == alias else f'{{ name: "{name}", as: "{alias}" }}'


def _tag_names(merging: Merging) -> Iterator[str]:
    for subgraph in merging.subgraphs:
        federation = subgraph.links.of(FEDERATION)
        for name in ("@tag", "@inaccessible"):
            yield federation.local_name(name) if federation else name


def _compose_argument(merging: Merging, subgraph: SubgraphFacts, use: Applied) -> tuple[Link, str] | None:
    """Return what @composeDirective(name:) stands for, or report why it stands for nothing."""
    name = use.text("name")
    problem = ""
    source = subgraph.links.source(name) if name else None
    if not name or not name.startswith("@"):
        problem = f"{print_value(use.arguments.get('name'))} has no leading @"
    elif source is not None and source[0].identity == FEDERATION and source[1] in _COMPOSED_BY_ITSELF:
        message = f"[{subgraph.name}] @composeDirective: {name} composes by itself, the mark can be removed."
        merging.report.hints.append(Hint("DIRECTIVE_COMPOSITION_INFO", HintLevel.INFO, message, name, (use.location,)))
        return None
    elif source is not None and source[0].identity in KNOWN_SPECS:
        problem = f"{name} is a directive that composition knows and treats in its own way"
    elif name in _tag_names(merging):
        problem = f"{name} is the name of @tag or @inaccessible in a subgraph"
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
