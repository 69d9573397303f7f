"""What a mutation's request asks of its module, field by field: what can be stored of it, and how it is answered then."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

import msgspec
import orjson
from graphql import (
    FieldNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    Visitor,
    parse,
    print_ast,
    value_from_ast_untyped,
    visit,
)

_BEGINNING = b'{"query":"mutation'
_KEY = "idempotencyKey"
_OUTCOME = parse("{ userErrors { code message field } receipt { id status } }").definitions[0]
assert isinstance(_OUTCOME, OperationDefinitionNode)
_OUTCOME_SELECTION = _OUTCOME.selection_set


class MutationField(msgspec.Struct, frozen=True):
    """One field of a mutation as it goes to a module. `key` is its name in the answer."""

    key: str
    command: str
    operation: str  # a mutation of this field alone, which selects userErrors and receipt
    variables: Mapping[str, Any]
    arguments: Mapping[str, Any]
    selection: SelectionSetNode

    @property
    def idempotency_key(self) -> str | None:
        """The key that the caller sent, if one."""
        found = self._input.get(_KEY)
        return found if isinstance(found, str) and found else None

    @property
    def input_hash(self) -> str:
        """The SHA-256 of the arguments without the idempotency key."""
        plain = {**self.arguments, "input": {name: value for name, value in self._input.items() if name != _KEY}}
        return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def payload(self, type_name: str, receipt: Mapping[str, Any], errors: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the field's answer in the shape that was asked for: no entity, a receipt, and these errors."""
        return dict(_shaped(self.selection, {"__typename": type_name, "userErrors": errors, "receipt": receipt}))

    @property
    def _input(self) -> Mapping[str, Any]:
        given = self.arguments.get("input")
        return cast("Mapping[str, Any]", given) if isinstance(given, dict) else {}


def mutation_fields(body: bytes) -> list[MutationField]:
    """Return the fields of a request that the executor wrote; none where it is no mutation."""
    if not body.startswith(_BEGINNING):
        return []
    request = orjson.loads(body)
    variables: dict[str, Any] = request.get("variables") or {}
    return [
        MutationField(
            key=node.alias.value if node.alias else node.name.value,
            command=node.name.value,
            operation=text,
            variables={name: variables[name] for name in names if name in variables},
            arguments={
                one.name.value: value_from_ast_untyped(one.value, variables) for one in node.arguments or ()
            },
            selection=node.selection_set or SelectionSetNode(selections=()),
        )
        for node, text, names in _parsed(request["query"])
    ]  # fmt: skip


@lru_cache(maxsize=512)
def _parsed(query: str) -> tuple[tuple[FieldNode, str, tuple[str, ...]], ...]:
    """Return each root field with the text of its own operation and the variables it uses."""
    found: list[tuple[FieldNode, str, tuple[str, ...]]] = []
    operation = parse(query).definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    for node in operation.selection_set.selections:
        if not isinstance(node, FieldNode):
            return ()  # the executor writes fields; whatever else there is, is not stored
        alone = replace(node, alias=None, selection_set=_OUTCOME_SELECTION)
        names = _variables_of(alone)
        definitions = [one for one in operation.variable_definitions or () if one.variable.name.value in names]
        document = OperationDefinitionNode(
            operation=OperationType.MUTATION,
            variable_definitions=tuple(definitions),
            selection_set=SelectionSetNode(selections=(alone,)),
        )
        found.append((node, print_ast(document), names))
    return tuple(found)


def _variables_of(node: FieldNode) -> tuple[str, ...]:
    names: dict[str, None] = {}

    class Names(Visitor):
        def enter_variable(self, node: VariableNode, *_: Any) -> None:
            names[node.name.value] = None

    visit(node, Names())
    return tuple(names)


def _shaped(selection: SelectionSetNode, value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what `selection` asks of an object, null for what it hasn't."""
    for node in selection.selections:
        if isinstance(node, InlineFragmentNode):
            yield from _shaped(node.selection_set, value)
        elif isinstance(node, FieldNode):
            inner = value.get(node.name.value)
            if node.selection_set is not None and isinstance(inner, dict):
                inner = dict(_shaped(node.selection_set, cast("Mapping[str, Any]", inner)))
            elif node.selection_set is not None and isinstance(inner, list):
                inner = [dict(_shaped(node.selection_set, one)) for one in cast("list[dict[str, Any]]", inner)]
            yield (node.alias.value if node.alias else node.name.value), inner
