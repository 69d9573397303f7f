"""Field sets: the `fields` of @key, @requires and @provides, and the selection of a context.

A field set is a value: it compares, hashes and prints. `str(field_set)` is canonical GraphQL text without outer braces;
`parse_field_set(str(x)) == x`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from graphql import (
    FieldNode,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    print_ast,
)

from router.errors import InvalidSupergraph


@dataclass(frozen=True, slots=True)
class Picked:
    """A field in a field set. `arguments` are (name, GraphQL literal); `inner` is empty for a leaf."""

    name: str
    arguments: tuple[tuple[str, str], ...] = ()
    inner: FieldSet = ()

    def __str__(self) -> str:
        """Print the field with arguments and selection."""
        arguments = f"({', '.join(f'{name}: {value}' for name, value in self.arguments)})" if self.arguments else ""
        inner = f" {{ {print_field_set(self.inner)} }}" if self.inner else ""
        return f"{self.name}{arguments}{inner}"


@dataclass(frozen=True, slots=True)
class Narrowed:
    """An inline fragment in a field set: `inner` counts for objects of type `on`; None is no condition."""

    on: str | None
    inner: FieldSet

    def __str__(self) -> str:
        """Print the inline fragment."""
        return f"...{f' on {self.on}' if self.on else ''} {{ {print_field_set(self.inner)} }}"


FieldSet: TypeAlias = "tuple[Picked | Narrowed, ...]"


@lru_cache(maxsize=8192)
def parse_field_set(text: str) -> FieldSet:
    """Read a field set, with or without outer braces.

    Raises InvalidSupergraph when the text is no selection set, or has aliases, directives or named fragments.
    """
    body = text.strip()
    try:
        document = parse(body if body.startswith("{") else f"{{ {body} }}", no_location=True)
    except GraphQLSyntaxError as error:
        raise InvalidSupergraph(f"{text!r} is no field set: {error.message}") from error
    operation = document.definitions[0]
    if len(document.definitions) != 1 or not isinstance(operation, OperationDefinitionNode):
        raise InvalidSupergraph(f"{text!r} is no field set.")
    fields = _read(operation.selection_set, text)
    if not fields:
        raise InvalidSupergraph("A field set is empty.")
    return fields


def print_field_set(fields: FieldSet) -> str:
    """Print a field set without outer braces."""
    return " ".join(map(str, fields))


def leaf_count(fields: FieldSet) -> int:
    """Count the leaves: the size of a key."""
    return sum(leaf_count(one.inner) if one.inner else 1 for one in fields)


def picked(fields: FieldSet) -> Iterator[Picked]:
    """Yield the fields of this level, those inside inline fragments too."""
    for one in fields:
        if isinstance(one, Picked):
            yield one
        else:
            yield from picked(one.inner)


def _read(selections: SelectionSetNode, text: str) -> FieldSet:
    found: list[Picked | Narrowed] = []
    for node in selections.selections:
        if isinstance(node, FieldNode) and node.alias is None and not node.directives:
            arguments = tuple((one.name.value, print_ast(one.value)) for one in node.arguments or ())
            inner = _read(node.selection_set, text) if node.selection_set else ()
            found.append(Picked(node.name.value, arguments, inner))
        elif isinstance(node, InlineFragmentNode) and not node.directives:
            on = node.type_condition.name.value if node.type_condition else None
            found.append(Narrowed(on, _read(node.selection_set, text)))
        else:
            raise InvalidSupergraph(f"{text!r} has an alias, a directive or a named fragment.")
    return tuple(found)
