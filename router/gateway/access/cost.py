"""What an operation costs at most, estimated before anything is fetched (security.md F; threat 22).

Each object that may come back counts its field's weight: 1, or what @cost says; a scalar counts nothing unless @cost
does. A list counts as many times as it may have items: its `first` or `last` as sent or by default, the arguments and
sizes that @listSize names, else ten. Source: IBM's cost directives.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
    Undefined,
    ValueNode,
    get_named_type,
    is_composite_type,
    parse_const_value,
    value_from_ast_untyped,
)

from router.execution.prepared import Prepared
from router.gateway.errors import LimitExceeded
from router.supergraph.model import Applied, Argument, Field, Supergraph

_SIZES = ("first", "last")
_PASSED_DOWN = ("edges", "nodes")  # whose size the connection's own `first` tells
_ASSUMED: Mapping[str, int] = {"edges": 20, "nodes": 20}  # pages that name no size; other lists have ten
_NONE: Mapping[str, str] = {}


class CostCheck:
    """Estimates operations and refuses the too dear ones."""

    def __init__(self, limit: int) -> None:
        """Refuse what costs more than `limit`."""
        self._limit = limit

    def check(self, prepared: Prepared, supergraph: Supergraph, variables: Mapping[str, object]) -> int:
        """Return the estimate of a valid operation. Raises LimitExceeded (COST_LIMIT)."""
        operation, schema = prepared.node, prepared.schema
        defaults = {
            one.variable.name.value: value_from_ast_untyped(one.default_value)
            for one in operation.variable_definitions or ()
            if one.default_value is not None
        }
        estimate = _Estimate(schema, supergraph, {**defaults, **variables}, prepared.fragments, self._limit)
        cost = estimate.of(operation.selection_set, schema.get_root_type(operation.operation), None)
        if cost > self._limit:
            raise LimitExceeded("cost", self._limit)
        return cost


@dataclass(slots=True)
class _Estimate:
    schema: GraphQLSchema
    supergraph: Supergraph
    variables: dict[str, Any]
    fragments: Mapping[str, FragmentDefinitionNode]
    limit: int

    def of(self, selection: SelectionSetNode | None, kind: GraphQLCompositeType | None, sized: "_Sized | None") -> int:
        """Return what a selection on one object costs, its fragments written out; stops where the limit is passed."""
        cost = 0
        for node in selection.selections if selection else ():
            if cost > self.limit:
                break
            if isinstance(node, FieldNode):
                cost += self._of_field(node, kind, sized)
                continue
            inner, on = self._fragment(node)
            cost += self.of(inner, _type(self.schema, on) or kind, sized)
        return cost

    def _fragment(self, node: object) -> tuple[SelectionSetNode | None, str | None]:
        if isinstance(node, FragmentSpreadNode):
            found = self.fragments[node.name.value]
            return found.selection_set, found.type_condition.name.value
        assert isinstance(node, InlineFragmentNode)
        return node.selection_set, node.type_condition.name.value if node.type_condition else None

    def _of_field(self, node: FieldNode, kind: GraphQLCompositeType | None, sized: "_Sized | None") -> int:
        name = node.name.value
        fields: Mapping[str, Any] = getattr(kind, "fields", {})  # a union has none
        field = fields.get(name)
        if kind is None or field is None:
            return 0  # __typename, __schema: answered here
        known = self.supergraph.types[kind.name].fields[name]
        marks = {one.name: one for one in known.applied}
        size = self._size(node, known, marks)
        inner_type = cast("GraphQLNamedType", get_named_type(field.type))
        times = 1
        if str(field.type).startswith("["):
            times = sized.items if sized and name in sized.fields else size.items if size else _ASSUMED.get(name, 10)
        weight = _weight(marks, default=1 if is_composite_type(inner_type) else 0)
        inner = self.of(node.selection_set, inner_type, size) if is_composite_type(inner_type) else 0
        return times * (weight + inner)

    def _size(self, node: FieldNode, field: Field, marks: Mapping[str, Applied]) -> "_Sized | None":
        """Return how many items a field asks for, and whose size that is."""
        list_size: Mapping[str, str] = marks["listSize"].arguments if "listSize" in marks else _NONE
        slicing = tuple(_texts(list_size.get("slicingArguments"))) or _SIZES
        fields = tuple(_texts(list_size.get("sizedFields"))) or _PASSED_DOWN
        sent = {one.name.value: one.value for one in node.arguments or () if one.name.value in slicing}
        counts = [self._count(sent.get(name), field.arguments[name]) for name in slicing if name in field.arguments]
        if any(count is not None for count in counts):
            return _Sized(max(count or 0 for count in counts), fields)
        assumed = list_size.get("assumedSize")
        return _Sized(int(assumed), fields) if assumed is not None else None

    def _count(self, sent: ValueNode | None, argument: Argument) -> int | None:
        """Return the number that is sent, or that holds by default; None where the subgraph is free to choose."""
        value = Undefined if sent is None else value_from_ast_untyped(sent, self.variables)
        if value in (Undefined, None) and argument.default is not None:
            value = value_from_ast_untyped(parse_const_value(argument.default))
        if not isinstance(value, int | float):  # JSON may write an Int as 100.0 or 1e2
            return None
        return max(0, int(value))  # what is below is refused there, and must not pay for what stands beside it


@dataclass(frozen=True, slots=True)
class _Sized:
    items: int
    fields: tuple[str, ...]


def _weight(marks: Mapping[str, Applied], *, default: int) -> int:
    weight = marks["cost"].arguments.get("weight") if "cost" in marks else None
    return default if weight is None else int(weight.strip('"'))


def _type(schema: GraphQLSchema, name: str | None) -> GraphQLCompositeType | None:
    found = schema.type_map.get(name) if name else None
    return found if found is not None and is_composite_type(found) else None


def _texts(value: str | None) -> Iterator[str]:
    """Yield the strings of a list as the supergraph writes it: `["first", "last"]`."""
    for part in (value or "").strip("[]").replace('"', "").split(","):
        if part.strip():
            yield part.strip()
