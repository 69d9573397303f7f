"""Reading one subgraph's SDL into facts."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from graphql import (
    DocumentNode,
    GraphQLSyntaxError,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    SchemaDefinitionNode,
    SchemaExtensionNode,
    TypeDefinitionNode,
    TypeExtensionNode,
    parse,
)

from router.composition.facts import ROOT_KINDS, ROOT_NAMES, SubgraphFacts
from router.composition.links import read_links
from router.composition.reading import Reader
from router.composition.report import Location, Report

MAX_TOKENS = 1_000_000  # some 5 MB of SDL; reading takes about 450 bytes of memory a token
_ROOT_USED = {
    "query": "ROOT_QUERY_USED",
    "mutation": "ROOT_MUTATION_USED",
    "subscription": "ROOT_SUBSCRIPTION_USED",
}
_TypeNode: TypeAlias = TypeDefinitionNode | TypeExtensionNode


@dataclass(frozen=True, slots=True)
class Subgraph:
    """A subgraph as it is handed in: its name, where it answers, and its SDL."""

    name: str
    url: str
    sdl: str

    @property
    def digest(self) -> str:
        """A hash of all that composition reads."""
        return hashlib.sha256(f"{self.name}\0{self.url}\0{self.sdl}".encode("utf-8", "surrogatepass")).hexdigest()


def read_subgraph(subgraph: Subgraph, index: int, report: Report) -> SubgraphFacts | None:
    """Read a subgraph; None when the SDL cannot be parsed. Everything wrong is noted in `report`."""
    document = _parse(subgraph, report)
    if document is None:
        return None
    links = read_links(_schema_nodes(document), subgraph.name, report)
    facts = SubgraphFacts(
        name=subgraph.name,
        url=subgraph.url,
        index=index,
        links=links,
        types={},
        directives={},
        schema_directives=[],
        roots=_roots(document, subgraph.name, report),
    )
    reader = Reader(facts, report, _renames(facts.roots, document))
    for node in document.definitions:
        reader.read(node)
    reader.finish()
    return facts


def _parse(subgraph: Subgraph, report: Report) -> DocumentNode | None:
    try:
        return parse(subgraph.sdl, max_lexical_tokens=MAX_TOKENS, max_comments=MAX_TOKENS)
    except GraphQLSyntaxError as problem:
        places = [Location(subgraph.name, at.line, at.column) for at in problem.locations or ()]
        report.error("INVALID_GRAPHQL", f"[{subgraph.name}] {problem.message}", at=places)
    except RecursionError:
        message = f"[{subgraph.name}] The SDL nests deeper than can be read: flatten the value or the type reference."
        report.error("INVALID_GRAPHQL", message, at=[Location(subgraph.name, 1, 1)])
    return None


def _schema_nodes(document: DocumentNode) -> list[SchemaDefinitionNode | SchemaExtensionNode]:
    return [node for node in document.definitions if isinstance(node, SchemaDefinitionNode | SchemaExtensionNode)]


def _roots(document: DocumentNode, name: str, report: Report) -> dict[str, str]:
    """Return the root type of each operation kind, as named in the SDL."""
    roots: dict[str, str] = {}
    has_definition = False
    for node in _schema_nodes(document):
        has_definition = has_definition or isinstance(node, SchemaDefinitionNode)
        for operation in node.operation_types or ():
            kind = operation.operation.value
            if kind in roots:
                _complain(name, report, node, f"There can be only one {kind} type in the schema.")
            roots[kind] = operation.type.name.value
    types = {node.name.value: node for node in document.definitions if isinstance(node, _TypeNode)}
    for kind in ROOT_KINDS:
        default = ROOT_NAMES[kind]
        if kind not in roots:
            node = types.get(default)
            if (
                node is not None
                and not has_definition
                and isinstance(node, ObjectTypeDefinitionNode | ObjectTypeExtensionNode)
            ):
                roots[kind] = default
        elif roots[kind] != default and default in types:
            _root_used(kind, default, roots[kind], name, report, types[default])
    return roots


def _renames(roots: dict[str, str], document: DocumentNode) -> dict[str, str]:
    """Return which types get the names that all subgraphs' roots share."""
    names = {node.name.value for node in document.definitions if isinstance(node, _TypeNode)}
    return {name: ROOT_NAMES[kind] for kind, name in roots.items() if ROOT_NAMES[kind] not in names}


def _root_used(kind: str, default: str, actual: str, name: str, report: Report, node: _TypeNode) -> None:
    message = (
        f"[{name}] The type {default} is not the {kind} root ({actual} is): the merged root is {default}; "
        f"rename this type or make it the root."
    )
    report.error(_ROOT_USED[kind], message, at=[_place(name, node)])


def _complain(name: str, report: Report, node: SchemaDefinitionNode | SchemaExtensionNode, message: str) -> None:
    report.error("INVALID_GRAPHQL", f"[{name}] {message}", at=[_place(name, node)])


def _place(name: str, node: SchemaDefinitionNode | SchemaExtensionNode | _TypeNode) -> Location:
    token = node.loc.start_token if node.loc else None
    return Location(name, token.line if token else 1, token.column if token else 1)


def check_names(subgraphs: Iterable[Subgraph], report: Report) -> None:
    """INVALID_SUBGRAPH_NAME: a name is not empty, not `_`, and given once."""
    seen: set[str] = set()
    for one in subgraphs:
        if not one.name or one.name == "_":
            report.error("INVALID_SUBGRAPH_NAME", f'Invalid name "{one.name}" for a subgraph: this name is reserved.')
        elif one.name in seen:
            report.error("INVALID_SUBGRAPH_NAME", f'Two subgraphs are named "{one.name}": give each its own name.')
        seen.add(one.name)
