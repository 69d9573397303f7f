"""From the AST of one subgraph to its facts: names made canonical, extensions put together, machinery left out."""

from collections.abc import Iterable
from typing import TypeAlias, cast

from graphql import (
    ConstDirectiveNode,
    DefinitionNode,
    DirectiveDefinitionNode,
    DirectiveNode,
    EnumTypeDefinitionNode,
    EnumTypeExtensionNode,
    EnumValueDefinitionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InputObjectTypeExtensionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    InterfaceTypeExtensionNode,
    ListTypeNode,
    NamedTypeNode,
    Node,
    NonNullTypeNode,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    ScalarTypeDefinitionNode,
    ScalarTypeExtensionNode,
    SchemaDefinitionNode,
    SchemaExtensionNode,
    TypeDefinitionNode,
    TypeExtensionNode,
    TypeNode,
    UnionTypeDefinitionNode,
    UnionTypeExtensionNode,
)

from router.composition.facts import (
    Applied,
    Argument,
    DirectiveFacts,
    EnumValue,
    Field,
    Kind,
    SubgraphFacts,
    TypeFacts,
)
from router.composition.federation import BUILT_IN, FEDERATION, KNOWN_SPECS, TYPES_SINCE, known_directives
from router.composition.report import Location, Report
from router.composition.values import Value, read_value

_KINDS: dict[type, tuple[Kind, bool]] = {
    ScalarTypeDefinitionNode: ("SCALAR", False),
    ScalarTypeExtensionNode: ("SCALAR", True),
    ObjectTypeDefinitionNode: ("OBJECT", False),
    ObjectTypeExtensionNode: ("OBJECT", True),
    InterfaceTypeDefinitionNode: ("INTERFACE", False),
    InterfaceTypeExtensionNode: ("INTERFACE", True),
    UnionTypeDefinitionNode: ("UNION", False),
    UnionTypeExtensionNode: ("UNION", True),
    EnumTypeDefinitionNode: ("ENUM", False),
    EnumTypeExtensionNode: ("ENUM", True),
    InputObjectTypeDefinitionNode: ("INPUT_OBJECT", False),
    InputObjectTypeExtensionNode: ("INPUT_OBJECT", True),
}
_NamedNode: TypeAlias = FieldDefinitionNode | InputValueDefinitionNode | EnumValueDefinitionNode
MACHINERY_TYPES = frozenset({"_Any", "_Entity", "_Service", "_FieldSet"})
MACHINERY_FIELDS = frozenset({"_entities", "_service"})


class Reader:
    """Turns definitions into facts, one after the other."""

    def __init__(self, facts: SubgraphFacts, report: Report, renames: dict[str, str]) -> None:
        self.facts = facts
        self.report = report
        self.renames = {old: new for old, new in renames.items() if old != new}
        self.blocks: dict[str, int] = {}
        self.names: dict[str, str] = {}
        self.allowed = known_directives(facts.links.federation_version)
        self.hidden_types = self._hidden_types()

    def read(self, node: DefinitionNode) -> None:
        """Take one definition in."""
        if type(node) in _KINDS:
            self._type(cast("TypeDefinitionNode | TypeExtensionNode", node))
        elif isinstance(node, DirectiveDefinitionNode):
            self._directive_definition(node)
        elif isinstance(node, SchemaDefinitionNode | SchemaExtensionNode):
            self.facts.schema_directives += self._applied(node.directives, 0)
        else:
            self.error(f'The "{node.kind}" definition has no place here: an SDL holds type definitions.', node)

    def finish(self) -> None:
        """Leave out what every subgraph server adds for the router: `_entities`, `_service`."""
        query = self.facts.types.get("Query")
        if query is not None and query.kind == "OBJECT":
            for name in MACHINERY_FIELDS:
                query.fields.pop(name, None)
            if not query.fields:
                del self.facts.types["Query"]

    def error(self, message: str, node: Node, code: str = "INVALID_GRAPHQL") -> None:
        """Note what is wrong at a node."""
        self.report.error(code, f"[{self.facts.name}] {message}", at=[self.place(node)])

    def place(self, node: Node) -> Location:
        """Return where a node stands."""
        token = node.loc.start_token if node.loc else None
        return Location(self.facts.name, token.line if token else 1, token.column if token else 1)

    def _hidden_types(self) -> frozenset[str]:
        hidden = set(MACHINERY_TYPES)
        for link in self.facts.links.all:
            if link.identity in KNOWN_SPECS:
                hidden |= {link.local_name(name) for name in (*TYPES_SINCE, "Import", "Purpose")}
        if not self.facts.is_federation_2:
            hidden.add("FieldSet")
        return frozenset(hidden)

    def _type(self, node: TypeDefinitionNode | TypeExtensionNode) -> None:
        name = self.renames.get(node.name.value, node.name.value)
        kind, is_extension = _KINDS[type(node)]
        if name in self.hidden_types:
            self._check_hidden(name, kind, node)
            return
        owner = self.facts.types.get(name)
        if owner is None:
            description = node.description.value if isinstance(node, TypeDefinitionNode) and node.description else None
            owner = TypeFacts(name, self.place(node), description, [], kind)
            self.facts.types[name] = owner
        elif owner.kind != kind:
            self.error(f"{name} is defined as {owner.kind} and as {kind}: a type has one kind.", node)
            return
        if is_extension:
            owner.has_extension = True
            block = self.blocks[name] = self.blocks.get(name, 0) + 1
        else:
            if owner.has_definition:
                self.error(f'There can be only one type named "{name}".', node)
            block = 0
            if isinstance(node, TypeDefinitionNode) and node.description:
                owner.description = node.description.value
            owner.location = self.place(node)
            owner.has_definition = True
        owner.directives += self._applied(node.directives, block)
        self._members(owner, node, block)

    def _check_hidden(self, name: str, kind: Kind, node: Node) -> None:
        """TYPE_DEFINITION_INVALID: a type of a specification may be written out, but not as something else."""
        source = self.facts.links.source(name)
        if source is not None and source[1] in TYPES_SINCE and kind != "SCALAR":
            message = f"{name} is a scalar of {source[0].url}, and cannot be defined as {kind}: remove it."
            self.error(message, node, "TYPE_DEFINITION_INVALID")

    def _members(self, owner: TypeFacts, node: TypeDefinitionNode | TypeExtensionNode, block: int) -> None:
        if isinstance(
            node,
            ObjectTypeDefinitionNode
            | ObjectTypeExtensionNode
            | InterfaceTypeDefinitionNode
            | InterfaceTypeExtensionNode,
        ):
            for interface in node.interfaces or ():
                self._once(owner.interfaces, interface.name.value, f"{owner.name} implements", interface)
                owner.interfaces[interface.name.value] = self.place(interface)
            for one in node.fields or ():
                self._once(owner.fields, one.name.value, f"Field {owner.name}.", one)
                owner.fields[one.name.value] = self._field(one, block)
        elif isinstance(node, InputObjectTypeDefinitionNode | InputObjectTypeExtensionNode):
            for one in node.fields or ():
                self._once(owner.fields, one.name.value, f"Field {owner.name}.", one)
                owner.fields[one.name.value] = self._input_field(one, block)
        elif isinstance(node, UnionTypeDefinitionNode | UnionTypeExtensionNode):
            for member in node.types or ():
                self._once(owner.members, member.name.value, f"Union {owner.name} member ", member)
                owner.members[member.name.value] = self.place(member)
        elif isinstance(node, EnumTypeDefinitionNode | EnumTypeExtensionNode):
            for value in node.values or ():
                self._once(owner.values, value.name.value, f"Enum value {owner.name}.", value)
                owner.values[value.name.value] = EnumValue(*self._named(value, block))

    def _once(self, seen: Iterable[str], name: str, what: str, node: Node) -> None:
        if name in seen:
            self.error(f"{what}{name} is given twice: keep one.", node)

    def _field(self, node: FieldDefinitionNode, block: int) -> Field:
        arguments = self._arguments(node.arguments, node.name.value)
        return Field(*self._named(node, block), self._reference(node.type), arguments, block=block)

    def _input_field(self, node: InputValueDefinitionNode, block: int) -> Field:
        default, has_default = _default(node)
        reference = self._reference(node.type)
        return Field(*self._named(node, block), reference, {}, default=default, has_default=has_default, block=block)

    def _arguments(self, nodes: Iterable[InputValueDefinitionNode] | None, owner: str) -> dict[str, Argument]:
        arguments: dict[str, Argument] = {}
        for node in nodes or ():
            self._once(arguments, node.name.value, f"Argument {owner}.", node)
            arguments[node.name.value] = Argument(*self._named(node, 0), self._reference(node.type), *_default(node))
        return arguments

    def _named(self, node: _NamedNode, block: int) -> tuple[str, Location, str | None, list[Applied]]:
        """Return what every named thing has, in the order of `Element`."""
        description = node.description.value if node.description else None
        return node.name.value, self.place(node), description, self._applied(node.directives, block)

    def _reference(self, node: TypeNode) -> str:
        if isinstance(node, NonNullTypeNode):
            return f"{self._reference(node.type)}!"
        if isinstance(node, ListTypeNode):
            return f"[{self._reference(node.type)}]"
        name = cast("NamedTypeNode", node).name.value
        return self.renames.get(name, name)

    def _applied(self, nodes: Iterable[DirectiveNode | ConstDirectiveNode] | None, block: int) -> list[Applied]:
        if not nodes:
            return []
        return [
            Applied(
                self._canonical(node.name.value),
                node.name.value,
                {argument.name.value: read_value(argument.value) for argument in node.arguments or ()},
                self.place(node),
                block,
            )
            for node in nodes
        ]

    def _canonical(self, written: str) -> str:
        known = self.names.get(written)
        if known is None:
            known = self.names[written] = canonical_directive(self.facts, self.allowed, written)
        return known

    def _directive_definition(self, node: DirectiveDefinitionNode) -> None:
        written = node.name.value
        if written in self.facts.directives:
            self.error(f'There can be only one directive named "@{written}".', node)
            return
        self.facts.directives[written] = DirectiveFacts(
            written,
            self.place(node),
            node.description.value if node.description else None,
            [],
            self._arguments(node.arguments, f"@{written}"),
            tuple(location.value for location in node.locations),
            node.repeatable,
        )


def _default(node: InputValueDefinitionNode) -> tuple[Value, bool]:
    """Return the default, and whether there is one."""
    return (read_value(node.default_value), True) if node.default_value else (None, False)


def canonical_directive(facts: SubgraphFacts, allowed: frozenset[str], written: str) -> str:
    """Return the canonical name of a directive written as `@written` in this subgraph."""
    if written in BUILT_IN:
        return written
    source = facts.links.source(f"@{written}")
    if source is not None:
        link, element = source
        spec = KNOWN_SPECS.get(link.identity)
        is_known = spec is not None and element[1:] in spec[0] and link.version <= spec[1]
        if is_known and (link.identity != FEDERATION or element[1:] in allowed):
            return element[1:]
        return f"@{written}"
    if written == "link" or (not facts.is_federation_2 and written in allowed):
        return written
    return f"@{written}"
