"""Literals become variables, so that operations which differ only in inline arguments share a plan.

Only whole arguments of built-in scalars, enums and lists of them are lifted: they mean the same as a variable's value.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    ArgumentNode,
    BooleanValueNode,
    ConstListValueNode,
    DefinitionNode,
    DocumentNode,
    EnumValueNode,
    FieldNode,
    FloatValueNode,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NameNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
    parse_type,
    print_ast,
)

from router.supergraph.model import named

_SCALARS = frozenset({"Int", "Float", "String", "Boolean", "ID"})


@dataclass(frozen=True, slots=True)
class Lifted:
    """An operation without literals, the document that holds it, and the values of the variables that replace them."""

    document: DocumentNode
    node: OperationDefinitionNode
    values: dict[str, Any]


def lift(schema: GraphQLSchema, document: DocumentNode, node: OperationDefinitionNode) -> Lifted:
    """Lift the literals of a valid operation and of all fragments of its document."""
    lifter = _Lifter(schema, [one.variable.name.value for one in node.variable_definitions or ()])
    root = schema.get_root_type(node.operation)
    selections = lifter.selections(node.selection_set, root.name if root else "")
    definitions: list[DefinitionNode] = []
    for one in document.definitions:
        if isinstance(one, FragmentDefinitionNode):
            inside = lifter.selections(one.selection_set, one.type_condition.name.value)
            definitions.append(
                FragmentDefinitionNode(
                    name=one.name, type_condition=one.type_condition, directives=one.directives, selection_set=inside
                )
            )
    lifted = OperationDefinitionNode(
        operation=node.operation,
        name=node.name,
        variable_definitions=(*(node.variable_definitions or ()), *lifter.definitions()),
        directives=node.directives,
        selection_set=selections,
    )
    return Lifted(DocumentNode(definitions=(lifted, *definitions)), lifted, lifter.values)


class _Lifter:
    """Lifts within one operation; equal literals of one type become one variable."""

    def __init__(self, schema: GraphQLSchema, taken: Iterable[str]) -> None:
        self._schema = schema
        self._prefix = "_l"
        while any(name.startswith(self._prefix) for name in taken):
            self._prefix = f"_{self._prefix}"
        self._names: dict[tuple[str, str], str] = {}
        self.values: dict[str, Any] = {}

    def definitions(self) -> tuple[VariableDefinitionNode, ...]:
        """Return the definitions of the new variables."""
        return tuple(
            VariableDefinitionNode(variable=_variable(name), type=parse_type(type_text), directives=())
            for (type_text, _), name in self._names.items()
        )

    def selections(self, given: SelectionSetNode, type_name: str) -> SelectionSetNode:
        """Return a selection set with its literals lifted."""
        one = self._schema.get_type(type_name)
        fields: Mapping[str, GraphQLField] = {}
        if isinstance(one, GraphQLObjectType | GraphQLInterfaceType):
            fields = one.fields
        found: list[Any] = []
        for node in given.selections:
            if isinstance(node, FieldNode):
                field = fields.get(node.name.value)
                found.append(node if field is None else self._field(node, field))
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition.name.value if node.type_condition else type_name
                found.append(
                    InlineFragmentNode(
                        type_condition=node.type_condition,
                        directives=node.directives,
                        selection_set=self.selections(node.selection_set, condition),
                    )
                )
            else:
                found.append(node)
        return SelectionSetNode(selections=tuple(found))

    def _field(self, node: FieldNode, field: GraphQLField) -> FieldNode:
        arguments = tuple(self._argument(one, _type_text(field.args[one.name.value])) for one in node.arguments or ())
        inner = node.selection_set
        return FieldNode(
            alias=node.alias,
            name=node.name,
            arguments=arguments,
            directives=node.directives,
            selection_set=self.selections(inner, named(_type_text(field))) if inner is not None else None,
        )

    def _argument(self, node: ArgumentNode, type_text: str) -> ArgumentNode:
        name = named(type_text)
        is_liftable = name in _SCALARS or isinstance(self._schema.get_type(name), GraphQLEnumType)
        if not is_liftable or not _is_plain(node.value):
            return node
        asked = (type_text, print_ast(node.value))
        name = self._names.get(asked)
        if name is None:
            name = self._names[asked] = f"{self._prefix}{len(self._names)}"
            self.values[name] = _value(node.value)
        return ArgumentNode(name=node.name, value=_variable(name))


def _variable(name: str) -> VariableNode:
    return VariableNode(name=NameNode(value=name))


def _type_text(field: Any) -> str:
    """Return the type of a field or an argument as GraphQL text."""
    return str(field.type)


def _is_plain(value: ValueNode) -> bool:
    if isinstance(value, ListValueNode | ConstListValueNode):
        return all(map(_is_plain, value.values))
    return isinstance(value, IntValueNode | FloatValueNode | StringValueNode | BooleanValueNode | EnumValueNode)


def _value(value: ValueNode) -> Any:
    if isinstance(value, ListValueNode | ConstListValueNode):
        return [_value(one) for one in value.values]
    if isinstance(value, IntValueNode):
        return int(value.value)
    if isinstance(value, FloatValueNode):
        return float(value.value)
    return value.value  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
