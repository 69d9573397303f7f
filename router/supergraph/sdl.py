"""Supergraph SDL <-> model: join v0.1 to v0.5 in, join v0.5 out, as other routers read it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from graphql import (
    ConstDirectiveNode,
    DirectiveDefinitionNode,
    DirectiveNode,
    EnumTypeDefinitionNode,
    EnumValueDefinitionNode,
    FieldDefinitionNode,
    GraphQLSyntaxError,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    ListValueNode,
    ObjectTypeDefinitionNode,
    ObjectValueNode,
    SchemaDefinitionNode,
    StringValueNode,
    TypeDefinitionNode,
    UnionTypeDefinitionNode,
    ValueNode,
    parse,
    print_ast,
)

from router.errors import InvalidSupergraph
from router.supergraph.field_set import FieldSet, parse_field_set
from router.supergraph.legacy import modernised, with_members
from router.supergraph.model import (
    PLAIN,
    Applied,
    Argument,
    ContextArgument,
    Directive,
    EnumValue,
    Field,
    Key,
    Kind,
    Link,
    Source,
    Subgraph,
    Supergraph,
    Type,
)
from router.supergraph.sdl_print import print_supergraph

__all__ = ["parse_supergraph", "print_supergraph"]

_HIDDEN = ("join__", "link__", "core__")
_OWN_DIRECTIVES = frozenset({"link", "core"})
_KINDS = {
    "object_type_definition": Kind.OBJECT,
    "interface_type_definition": Kind.INTERFACE,
    "union_type_definition": Kind.UNION,
    "enum_type_definition": Kind.ENUM,
    "input_object_type_definition": Kind.INPUT,
    "scalar_type_definition": Kind.SCALAR,
}
Uses: TypeAlias = Iterable[ConstDirectiveNode | DirectiveNode] | None


def parse_supergraph(text: str) -> Supergraph:
    """Read a supergraph's SDL.

    Raises InvalidSupergraph when it is no GraphQL, or names no subgraph in an enum `join__Graph`.
    """
    try:
        definitions = parse(text, no_location=True).definitions
    except GraphQLSyntaxError as error:
        raise InvalidSupergraph(f"The supergraph is no GraphQL: {error.message}") from error
    enums = (one for one in definitions if isinstance(one, EnumTypeDefinitionNode))
    graphs = next((one for one in enums if one.name.value == "join__Graph"), None)
    if graphs is None:
        raise InvalidSupergraph("The supergraph has no enum join__Graph: it was not made by federation 2 composition.")
    subgraphs = tuple(_subgraph(value) for value in graphs.values or ())
    return _Reader({one.graph: number for number, one in enumerate(subgraphs)}).read(subgraphs, definitions)


def _subgraph(value: EnumValueDefinitionNode) -> Subgraph:
    for use in value.directives or ():
        if use.name.value == "join__graph":
            arguments = _arguments(use)
            return Subgraph(_string(arguments["name"]), _string(arguments.get("url")), value.name.value)
    return Subgraph(value.name.value.lower(), "", value.name.value)


class _Reader:
    """Reads definitions, given the numbers of the subgraphs."""

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._numbers = numbers

    def read(self, subgraphs: tuple[Subgraph, ...], definitions: Sequence[object]) -> Supergraph:
        types: dict[str, Type] = {}
        directives: dict[str, Directive] = {}
        schema: SchemaDefinitionNode | None = None
        names: set[str] = set()
        for node in definitions:
            if isinstance(node, SchemaDefinitionNode):
                schema = node
            elif isinstance(node, DirectiveDefinitionNode):
                name = node.name.value
                names.add(name)
                if name not in _OWN_DIRECTIVES and not name.startswith(_HIDDEN):
                    directives[name] = self._directive(node)
            elif isinstance(node, TypeDefinitionNode) and not node.name.value.startswith(_HIDDEN):
                types[node.name.value] = self._type(node)
        if owners := self._owners(definitions):
            types = modernised(types, owners, (1 << len(subgraphs)) - 1)
        elif "join__unionMember" not in names:
            types = {name: with_members(one, types) for name, one in types.items()}
        roots = {"query": "Query", "mutation": "Mutation", "subscription": "Subscription"}
        if schema is not None:
            roots = {one.operation.value: one.type.name.value for one in schema.operation_types}
        return Supergraph(
            subgraphs=subgraphs,
            types=types,
            roots={operation: name for operation, name in roots.items() if name in types},
            directives=directives,
            links=tuple(_links(schema.directives if schema else ())),
            description=_text(schema.description) if schema else None,
            applied=self._applied(schema.directives if schema else ()),
        )

    def _owners(self, definitions: Iterable[object]) -> dict[str, int]:
        """Return the owner of each entity where a supergraph of join v0.1 names them."""
        return {
            node.name.value: self._number(_arguments(use))
            for node in definitions
            if isinstance(node, TypeDefinitionNode)
            for use in _uses(node.directives, "join__owner")
        }

    def _type(self, node: TypeDefinitionNode) -> Type:
        keys: list[Key] = []
        mask = extensions = interface_objects = 0
        for use in _uses(node.directives, "join__type"):
            arguments = _arguments(use)
            number = self._number(arguments)
            mask |= 1 << number
            if _flag(arguments.get("extension")):
                extensions |= 1 << number
            if _flag(arguments.get("isInterfaceObject")):
                interface_objects |= 1 << number
            if "key" in arguments:
                fields = parse_field_set(_string(arguments["key"]))
                keys.append(Key(number, fields, _flag(arguments.get("resolvable"), default=True)))
        keys.sort(key=lambda key: key.subgraph)
        return Type(
            name=node.name.value,
            kind=_KINDS[node.kind],
            subgraphs=mask,
            keys=tuple(keys),
            fields=self._fields(node, mask),
            interfaces=self._interfaces(node, mask),
            members=self._members(node, mask),
            values=self._values(node, mask),
            extensions=extensions,
            interface_objects=interface_objects,
            description=_text(node.description),
            applied=self._applied(node.directives),
        )

    def _fields(self, node: TypeDefinitionNode, mask: int) -> dict[str, Field]:
        if isinstance(node, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode | InputObjectTypeDefinitionNode):
            return {one.name.value: self._field(one, mask) for one in node.fields or ()}
        return {}

    def _field(self, node: FieldDefinitionNode | InputValueDefinitionNode, mask: int) -> Field:
        given = isinstance(node, InputValueDefinitionNode)
        arguments = () if given else node.arguments or ()
        return Field(
            name=node.name.value,
            type=print_ast(node.type),
            sources=self._sources(node.directives, mask),
            arguments={one.name.value: self._argument(one) for one in arguments},
            default=print_ast(node.default_value) if given and node.default_value else None,
            description=_text(node.description),
            applied=self._applied(node.directives),
        )

    def _sources(self, directives: Uses, mask: int) -> dict[int, Source]:
        uses = list(_uses(directives, "join__field"))
        if not uses:
            return {number: PLAIN for number in self._numbers.values() if mask >> number & 1}
        sources: dict[int, Source] = {}
        for use in uses:
            arguments = _arguments(use)
            if "graph" in arguments:
                sources[self._number(arguments)] = _source(arguments)
        return dict(sorted(sources.items()))

    def _argument(self, node: InputValueDefinitionNode) -> Argument:
        return Argument(
            name=node.name.value,
            type=print_ast(node.type),
            default=print_ast(node.default_value) if node.default_value else None,
            description=_text(node.description),
            applied=self._applied(node.directives),
        )

    def _interfaces(self, node: TypeDefinitionNode, mask: int) -> dict[str, int]:
        if not isinstance(node, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
            return {}
        said = self._masks(node.directives, "join__implements", "interface")
        return {one.name.value: said.get(one.name.value, 0 if said else mask) for one in node.interfaces or ()}

    def _members(self, node: TypeDefinitionNode, mask: int) -> dict[str, int]:
        if not isinstance(node, UnionTypeDefinitionNode):
            return {}
        said = self._masks(node.directives, "join__unionMember", "member")
        return {one.name.value: said.get(one.name.value, 0 if said else mask) for one in node.types or ()}

    def _values(self, node: TypeDefinitionNode, mask: int) -> dict[str, EnumValue]:
        if not isinstance(node, EnumTypeDefinitionNode):
            return {}
        found: dict[str, EnumValue] = {}
        for value in node.values or ():
            said = 0
            for use in _uses(value.directives, "join__enumValue"):
                said |= 1 << self._number(_arguments(use))
            name = value.name.value
            found[name] = EnumValue(name, said or mask, _text(value.description), self._applied(value.directives))
        return found

    def _masks(self, directives: Uses, directive: str, argument: str) -> dict[str, int]:
        masks: dict[str, int] = {}
        for use in _uses(directives, directive):
            arguments = _arguments(use)
            name = _string(arguments[argument])
            masks[name] = masks.get(name, 0) | 1 << self._number(arguments)
        return masks

    def _directive(self, node: DirectiveDefinitionNode) -> Directive:
        return Directive(
            name=node.name.value,
            locations=tuple(one.value for one in node.locations),
            arguments={one.name.value: self._argument(one) for one in node.arguments or ()},
            repeatable=bool(node.repeatable),
            description=_text(node.description),
        )

    def _applied(self, directives: Uses) -> tuple[Applied, ...]:
        return tuple(self._each_applied(directives))

    def _each_applied(self, directives: Uses) -> Iterator[Applied]:
        for use in directives or ():
            name = use.name.value
            arguments = _arguments(use)
            if name == "join__directive":
                graphs = arguments["graphs"]
                mask = sum(1 << self._numbers[print_ast(one)] for one in _list(graphs))
                given = arguments.get("args")
                inner = given.fields if isinstance(given, ObjectValueNode) else ()
                yield Applied(_string(arguments["name"]), {f.name.value: print_ast(f.value) for f in inner}, mask)
            elif name not in _OWN_DIRECTIVES and not name.startswith(_HIDDEN):
                yield Applied(name, {argument: print_ast(value) for argument, value in arguments.items()})

    def _number(self, arguments: Mapping[str, ValueNode]) -> int:
        graph = print_ast(arguments["graph"])
        if graph not in self._numbers:
            raise InvalidSupergraph(f"The supergraph names the subgraph {graph}, which join__Graph does not have.")
        return self._numbers[graph]


def _source(arguments: Mapping[str, ValueNode]) -> Source:
    source = Source(
        external=_flag(arguments.get("external")),
        requires=_field_set(arguments.get("requires")),
        provides=_field_set(arguments.get("provides")),
        type=_optional(arguments.get("type")),
        override=_optional(arguments.get("override")),
        override_label=_optional(arguments.get("overrideLabel")),
        used_overridden=_flag(arguments.get("usedOverridden")),
        context_arguments=tuple(_context_arguments(arguments.get("contextArguments"))),
    )
    return PLAIN if source == PLAIN else source


def _context_arguments(value: ValueNode | None) -> Iterator[ContextArgument]:
    for one in _list(value):
        if isinstance(one, ObjectValueNode):
            facts = {item.name.value: _string(item.value) for item in one.fields}
            yield ContextArgument(facts["name"], facts["type"], facts["context"], facts["selection"])


def _links(directives: Uses) -> Iterator[Link]:
    for use in _uses(directives, "link"):
        arguments = _arguments(use)
        url = _string(arguments.get("url"))
        if "/link/v" in url or "/join/v" in url:
            continue
        imports = tuple(print_ast(one) for one in _list(arguments.get("import")))
        purpose = arguments.get("for")
        yield Link(url, _optional(arguments.get("as")), imports, print_ast(purpose) if purpose else None)


def _uses(directives: Uses, name: str) -> Iterator[ConstDirectiveNode | DirectiveNode]:
    return (one for one in directives or () if one.name.value == name)


def _arguments(use: ConstDirectiveNode | DirectiveNode) -> dict[str, ValueNode]:
    return {one.name.value: one.value for one in use.arguments or () if one.value.kind != "null_value"}


def _list(value: ValueNode | None) -> Iterable[ValueNode]:
    if isinstance(value, ListValueNode):
        return value.values
    return () if value is None else (value,)


def _string(value: ValueNode | None) -> str:
    return value.value if isinstance(value, StringValueNode) else ""


def _optional(value: ValueNode | None) -> str | None:
    return value.value if isinstance(value, StringValueNode) else None


def _field_set(value: ValueNode | None) -> FieldSet:
    return parse_field_set(_string(value)) if value is not None else ()


def _flag(value: ValueNode | None, *, default: bool = False) -> bool:
    return default if value is None else getattr(value, "value", False) is True


def _text(node: StringValueNode | None) -> str | None:
    return node.value if node is not None else None
