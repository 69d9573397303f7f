"""What a client may see of a supergraph: no @inaccessible elements, no join or link machinery."""

from collections.abc import Iterable, Iterator, Mapping

from graphql import DocumentNode, GraphQLSchema, build_ast_schema, parse
from graphql.language.block_string import print_block_string

from router.supergraph.model import Applied, Argument, Directive, Field, Kind, Supergraph, Type

_SHOWN = frozenset({"deprecated", "specifiedBy", "oneOf"})
_EXECUTABLE = frozenset(
    (
        *("QUERY", "MUTATION", "SUBSCRIPTION", "FIELD", "VARIABLE_DEFINITION"),
        *("FRAGMENT_DEFINITION", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"),
    )
)
_BUILT_IN = frozenset({"skip", "include", "deprecated", "specifiedBy", "oneOf", "defer", "stream"})
_INCREMENTAL = """\
directive @defer(if: Boolean! = true, label: String) on FRAGMENT_SPREAD | INLINE_FRAGMENT

directive @stream(if: Boolean! = true, label: String, initialCount: Int! = 0) on FIELD"""


def api_schema(supergraph: Supergraph) -> GraphQLSchema:
    """Build the schema that documents are validated against and introspection answers from."""
    return schema_of(api_document(supergraph))


def api_document(supergraph: Supergraph) -> DocumentNode:
    """Return the schema that clients see as a document: the part of `api_schema` that takes long."""
    return parse(api_sdl(supergraph), no_location=True)


def schema_of(document: DocumentNode) -> GraphQLSchema:
    """Build the schema of such a document."""
    return build_ast_schema(document, assume_valid=True, assume_valid_sdl=True)


def api_sdl(supergraph: Supergraph) -> str:
    """Print the schema that clients see."""
    return "\n\n".join(_blocks(supergraph)) + "\n"


def is_visible(applied: Iterable[Applied]) -> bool:
    """Whether an element with these directives is shown to clients."""
    return all(one.name != "inaccessible" for one in applied)


def _blocks(supergraph: Supergraph) -> Iterator[str]:
    roots = "".join(f" {operation}: {name}" for operation, name in supergraph.roots.items())
    yield f"{_description(supergraph.description)}schema {{{roots} }}"
    yield _INCREMENTAL
    for directive in supergraph.directives.values():
        places = [one for one in directive.locations if one in _EXECUTABLE]
        if places and directive.name not in _BUILT_IN:
            yield _directive(directive, places)
    for one in supergraph.types.values():
        if "__" not in one.name and is_visible(one.applied):
            yield _type(supergraph, one)


def _directive(one: Directive, places: list[str]) -> str:
    repeatable = " repeatable" if one.repeatable else ""
    head = f"{_description(one.description)}directive @{one.name}{_arguments(one.arguments)}"
    return f"{head}{repeatable} on {' | '.join(places)}"


def _type(supergraph: Supergraph, one: Type) -> str:
    head = f"{_description(one.description)}%s {one.name}{_uses(one.applied)}"
    if one.kind is Kind.SCALAR:
        return head % "scalar"
    if one.kind is Kind.UNION:
        members = " | ".join(name for name in one.members if _is_visible_type(supergraph, name))
        return f"{head % 'union'} = {members}"
    if one.kind is Kind.ENUM:
        values = (value for value in one.values.values() if is_visible(value.applied))
        lines = [f"{_description(value.description)}{value.name}{_uses(value.applied)}" for value in values]
        return _block(head % "enum", lines)
    lines = [_field(field) for field in one.fields.values() if is_visible(field.applied)]
    if one.kind is Kind.INPUT:
        return _block(head % "input", lines)
    word = "type" if one.kind is Kind.OBJECT else "interface"
    interfaces = " & ".join(name for name in one.interfaces if _is_visible_type(supergraph, name))
    implements = f" implements {interfaces}" if interfaces else ""
    head = f"{_description(one.description)}{word} {one.name}{implements}{_uses(one.applied)}"
    return _block(head, lines)


def _is_visible_type(supergraph: Supergraph, name: str) -> bool:
    return name in supergraph.types and is_visible(supergraph.types[name].applied)


def _block(head: str, lines: list[str]) -> str:
    return "\n".join([f"{head} {{", *lines, "}"]) if lines else head


def _field(one: Field) -> str:
    default = f" = {one.default}" if one.default is not None else ""
    text = f"{one.name}{_arguments(one.arguments)}: {one.type}{default}"
    return f"{_description(one.description)}{text}{_uses(one.applied)}"


def _arguments(arguments: Mapping[str, Argument]) -> str:
    shown: list[str] = []
    for one in arguments.values():
        if is_visible(one.applied):
            default = f" = {one.default}" if one.default is not None else ""
            shown.append(f"{_description(one.description)}{one.name}: {one.type}{default}{_uses(one.applied)}")
    return f"({', '.join(shown)})" if shown else ""


def _uses(applied: Iterable[Applied]) -> str:
    return "".join(f" {_use(one)}" for one in applied if one.name in _SHOWN)


def _use(one: Applied) -> str:
    arguments = ", ".join(f"{name}: {value}" for name, value in one.arguments.items())
    return f"@{one.name}({arguments})" if arguments else f"@{one.name}"


def _description(text: str | None) -> str:
    return "" if text is None else f"{print_block_string(text)}\n"
