"""Reading `@link`: which specifications a subgraph uses, and under which names."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from graphql import DirectiveNode, SchemaDefinitionNode, SchemaExtensionNode

from router.composition.federation import FEDERATION, LATEST, LINK, SINCE, SPECS, TYPES_SINCE
from router.composition.report import Hint, HintLevel, Location, Report
from router.composition.values import Value, print_value, read_value

_VERSION = re.compile(r"^v(\d+)\.(\d+)$")
_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9_-]*$")


@dataclass(frozen=True, slots=True)
class Import:
    """One imported element; directives keep their `@`."""

    name: str
    alias: str


@dataclass(frozen=True, slots=True)
class Link:
    """One `@link`: the specification's identity (its URL without version), version and local names."""

    url: str
    identity: str
    name: str
    version: tuple[int, int]
    prefix: str
    imports: tuple[Import, ...]
    purpose: str | None
    location: Location

    def local_name(self, element: str) -> str:
        """Return how `@key` or `FieldSet` of this specification is written in the subgraph."""
        for one in self.imports:
            if one.name == element:
                return one.alias
        if element == f"@{self.name}":
            return f"@{self.prefix}"
        return f"@{self.prefix}__{element[1:]}" if element.startswith("@") else f"{self.prefix}__{element}"


@dataclass(slots=True)
class Links:
    """All links of a subgraph."""

    all: list[Link] = field(default_factory=list[Link])

    @property
    def federation_version(self) -> tuple[int, int] | None:
        """The linked Federation 2 version, None for a Federation 1 subgraph."""
        for one in self.all:
            if one.identity == FEDERATION:
                return one.version
        return None

    def of(self, identity: str) -> Link | None:
        """Return the link of a specification."""
        for one in self.all:
            if one.identity == identity:
                return one
        return None

    def source(self, written: str) -> tuple[Link, str] | None:
        """Return the specification and element that a local name (`@key`, `FieldSet`) stands for, if any."""
        for one in self.all:
            for imported in one.imports:
                if imported.alias == written:
                    return one, imported.name
        sigil = "@" if written.startswith("@") else ""
        bare = written[1:] if sigil else written
        for one in self.all:
            if bare.startswith(f"{one.prefix}__"):
                return one, sigil + bare[len(one.prefix) + 2 :]
            if sigil and bare == one.prefix and one.identity != FEDERATION:
                return one, f"@{one.name}"
        return None


def parse_identity(url: str) -> tuple[str, str, tuple[int, int]] | None:
    """Split a specification's URL into identity, name and version; None when it is not of the form `https://host/path/name/v1.2`."""
    scheme, colon, rest = url.partition("://")
    if not colon or not scheme:
        return None
    parts = rest.split("#")[0].split("?")[0].split("/")
    found = _VERSION.match(parts[-1])
    if found is None or len(parts) < 3 or not _NAME.match(parts[-2]):
        return None
    identity = f"{scheme}://" + "/".join(parts[:-1])
    return identity, parts[-2], (int(found[1]), int(found[2]))


def read_links(nodes: Iterable[SchemaDefinitionNode | SchemaExtensionNode], subgraph: str, report: Report) -> Links:
    """Read every `@link` on the schema; what cannot be understood is reported and left out."""
    applied = [directive for node in nodes for directive in node.directives or ()]
    links = Links()
    spelled = _link_directive(applied)
    for node in applied:
        if node.name.value != spelled:
            continue
        arguments = {one.name.value: read_value(one.value) for one in node.arguments or ()}
        token = node.loc.start_token if node.loc else None
        place = Location(subgraph, token.line if token else 1, token.column if token else 1)
        link = _read_link(arguments, place, report)
        if link is None:
            continue
        if links.of(link.identity):
            message = f"[{subgraph}] {link.identity} is linked twice: keep one @link and import all from it."
            report.error("INVALID_LINK_DIRECTIVE_USAGE", message, at=[place])
            continue
        _check_clash(link, links, report)
        links.all.append(link)
    _hint_on_version(links, subgraph, report)
    return links


def _hint_on_version(links: Links, subgraph: str, report: Report) -> None:
    """IMPLICITLY_UPGRADED_FEDERATION_VERSION: a linked specification that came with a later federation raises it."""
    own, connect = links.of(FEDERATION), links.of(f"{SPECS}/connect")
    if own is None or connect is None or connect.version[0] != 0:
        return
    needed = (2, 9 + connect.version[1])
    if own.version < needed:
        message = (
            f"[{subgraph}] {connect.url} came with federation v{needed[0]}.{needed[1]}: "
            f"the link to v{own.version[0]}.{own.version[1]} counts as that."
        )
        code = "IMPLICITLY_UPGRADED_FEDERATION_VERSION"
        report.hints.append(Hint(code, HintLevel.INFO, message, "@link", (own.location,)))


def _check_clash(link: Link, links: Links, report: Report) -> None:
    """Two specifications may not claim the same local names."""
    for other in links.all:
        shared = {one.alias for one in link.imports} & {one.alias for one in other.imports}
        if link.prefix == other.prefix:
            shared.add(link.prefix)
        for name in sorted(shared):
            message = f'[{link.location.subgraph}] {link.url} and {other.url} both claim "{name}": rename one by "as".'
            report.error("INVALID_LINK_DIRECTIVE_USAGE", message, at=[other.location, link.location])


def _link_directive(applied: Iterable[DirectiveNode]) -> str:
    """Return how `@link` itself is spelled: the link specification may be linked under another name."""
    for node in applied:
        arguments = {one.name.value: read_value(one.value) for one in node.arguments or ()}
        url = arguments.get("url")
        if isinstance(url, str) and url.startswith(f"{LINK}/"):
            alias = arguments.get("as")
            return str(alias) if isinstance(alias, str) else node.name.value
    return "link"


def _read_link(arguments: dict[str, Value], place: Location, report: Report) -> Link | None:
    url = arguments.get("url")
    where = f"[{place.subgraph}]"
    if not isinstance(url, str):
        report.error("INVALID_LINK_DIRECTIVE_USAGE", f'{where} @link needs a "url" that is a string.', at=[place])
        return None
    parsed = parse_identity(url)
    if parsed is None:
        message = f'{where} "{url}" names no specification: write it as https://host/path/name/v1.0.'
        report.error("INVALID_LINK_IDENTIFIER", message, at=[place])
        return None
    identity, name, version = parsed
    if identity == FEDERATION and not (2, 0) <= version <= LATEST:
        message = f"{where} Federation v{version[0]}.{version[1]} is not known: link v2.0 to v{LATEST[0]}.{LATEST[1]}."
        report.error("UNKNOWN_FEDERATION_LINK_VERSION", message, at=[place])
        return None
    if identity == LINK and version != (1, 0):
        message = f"{where} Version v{version[0]}.{version[1]} of @link itself is not known: link {LINK}/v1.0."
        report.error("UNKNOWN_LINK_VERSION", message, at=[place])
        return None
    alias, purpose = arguments.get("as"), arguments.get("for")
    imports = tuple(_imports(arguments.get("import"), identity, version, place, report))
    prefix = str(alias) if isinstance(alias, str) else name
    return Link(url, identity, name, version, prefix, imports, str(purpose) if purpose else None, place)


def _imports(
    value: Value, identity: str, version: tuple[int, int], place: Location, report: Report
) -> Iterable[Import]:
    elements = _federation_elements(version) if identity == FEDERATION else None
    for one in value if isinstance(value, list) else [] if value is None else [value]:
        problem, found = _one_import(one)
        if found and elements is not None and found.name not in elements:
            problem = f'federation v{version[0]}.{version[1]} has no "{found.name}"'
            if f"@{found.name}" in elements:
                problem += f': did you mean "@{found.name}"?'
        if problem:
            report.error("INVALID_LINK_DIRECTIVE_USAGE", f"[{place.subgraph}] Cannot import: {problem}.", at=[place])
        elif found:
            yield found


def _one_import(value: Value) -> tuple[str, Import | None]:
    """Return what is wrong with an import, or the import."""
    if type(value) is str:
        return "", Import(value, value)
    if not isinstance(value, dict):
        return f'{print_value(value)} is neither a string nor {{name: "...", as: "..."}}', None
    name, alias = value.get("name"), value.get("as")
    if not isinstance(name, str):
        return f'{print_value(value)} has no "name"', None
    if alias is None:
        return "", Import(name, name)
    if not isinstance(alias, str):
        return f'"as" of {name} is not a string', None
    if name.startswith("@") != alias.startswith("@"):
        return f'"{name}" cannot become "{alias}": a directive keeps its @, a type has none', None
    return "", Import(name, alias)


def _federation_elements(version: tuple[int, int]) -> frozenset[str]:
    directives = {f"@{name}" for name, since in SINCE.items() if since <= version}
    return frozenset(directives | {name for name, since in TYPES_SINCE.items() if since <= version})
