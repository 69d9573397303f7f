"""Constants of an SDL (defaults, directive arguments) as Python values, and back to text."""

from dataclasses import dataclass
from typing import TypeAlias

from graphql import (
    BooleanValueNode,
    EnumValueNode,
    FloatValueNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    StringValueNode,
    ValueNode,
    VariableNode,
)
from graphql.language.print_string import print_string


class EnumName(str):
    """An enum value: prints without quotes."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Variable:
    """A `$variable` where a constant was expected; never valid, kept so that it can be reported."""

    name: str


Value: TypeAlias = "bool | int | float | str | EnumName | Variable | list[Value] | dict[str, Value] | None"


def read_value(node: ValueNode) -> Value:
    """Return the Python value of a constant."""
    match node:
        case StringValueNode():
            return node.value
        case IntValueNode():
            return int(node.value) if len(node.value) < 4000 else float(node.value)
        case FloatValueNode():
            return float(node.value)
        case BooleanValueNode():
            return node.value
        case EnumValueNode():
            return EnumName(node.value)
        case ListValueNode():
            return [read_value(one) for one in node.values]
        case ObjectValueNode():
            return {one.name.value: read_value(one.value) for one in node.fields}
        case VariableNode():
            return Variable(node.name.value)
        case _:
            return None


def print_value(value: Value) -> str:
    """Print a value as GraphQL text, in the form of graphql-core's `print_ast`."""
    match value:
        case None:
            return "null"
        case EnumName():
            return str(value)
        case bool():
            return "true" if value else "false"
        case Variable():
            return f"${value.name}"
        case list():
            return "[" + ", ".join(map(print_value, value)) + "]"
        case dict():
            fields = ", ".join(f"{name}: {print_value(one)}" for name, one in value.items())
            return f"{{ {fields} }}" if fields else "{}"
        case str():
            return print_string(value)
        case _:
            return str(value)


def coerce(value: Value, reference: str) -> Value:
    """Return the value as its type means it: a single item where a list is wanted becomes a list of one."""
    inner = reference[:-1] if reference.endswith("!") else reference
    if not inner.startswith("["):
        return value
    if value is None or isinstance(value, list):
        return [coerce(one, inner[1:-1]) for one in value] if value is not None else None
    return [coerce(value, inner[1:-1])]
