"""A supergraph ready for requests, and operations ready to be executed.

    graph = Graph.from_sdl(text)
    prepared = graph.prepare(query, operation_name, variables)      # raises router.errors.InvalidInput branches
    answer = await execute(prepared, variables, send, deadline_s)   # router.execution.run
    body = answer.body()

A `Graph` never changes; a new supergraph is a new Graph, and requests under way finish on the old one.
"""

import gc
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeAlias, cast

from graphql import (
    BooleanValueNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    execute_sync,  # pyright: ignore[reportUnknownVariableType]
    get_variable_values,
    parse,
    print_ast,
    validate,
)

from router.errors import BadVariables, ParseFailed, RouterError, UnknownOperation, ValidationFailed
from router.execution.compile import CompiledPlan
from router.execution.kept import read_supergraph
from router.execution.literals import lift
from router.planning.cache import Cache
from router.planning.planner import Operation, plan_operation
from router.supergraph.api_schema import api_schema
from router.supergraph.model import Supergraph
from router.supergraph.reach import Reach

_CACHE_BYTES = 64 << 20
Known: TypeAlias = tuple[str, str | None, tuple[tuple[str, bool], ...]]
"""An operation: document, name, and the values of the variables that decide what is selected."""


class Prepared:
    """An operation that is parsed, validated, planned and compiled; shared by all requests that send it."""

    def __init__(
        self,
        schema: GraphQLSchema,
        node: OperationDefinitionNode,
        compiled: CompiledPlan,
        literals: Mapping[str, object],
        fragments: Mapping[str, FragmentDefinitionNode],
    ) -> None:
        """Take an operation, its compiled plan, the variables that replace its literals, and its document's fragments."""
        self._literals = literals
        self.fragments = fragments
        self.schema = schema
        self.node = node
        self.compiled = compiled
        self.operation = node.operation.value
        self.name = node.name.value if node.name else None
        self.subgraphs = tuple(dict.fromkeys(one.subgraph for one in compiled.plan.fetches))

    def coerced(self, variables: Mapping[str, object]) -> Mapping[str, object]:
        """Check the variables of a request and return those to send on. Raises BadVariables."""
        definitions = self.node.variable_definitions or ()
        if not definitions:
            return self._literals
        checked = get_variable_values(self.schema, definitions, dict(variables), max_errors=20)
        if isinstance(checked, list):
            raise BadVariables([one.formatted for one in checked])
        names = {one.variable.name.value for one in definitions}
        return {**self._literals, **{name: value for name, value in variables.items() if name in names}}

    def stream_counts(self, variables: Mapping[str, object]) -> list[int]:
        """Return how many items of each streamed list come at once. Raises BadVariables for a negative number."""
        defaults = {
            one.variable.name.value: int(one.default_value.value)
            for one in self.node.variable_definitions or ()
            if isinstance(one.default_value, IntValueNode)
        }
        found: list[int] = []
        for one in self.compiled.plan.streams:
            count = variables.get(one.count, defaults.get(one.count)) if isinstance(one.count, str) else one.count
            if not isinstance(count, int) or count < 0:
                raise BadVariables([{"message": "initialCount must be a number that is not negative."}])
            found.append(count)
        return found

    def introspected(self, variables: Mapping[str, object]) -> dict[str, object]:
        """Return what the schema itself answers: `__schema` and `__type` at the root."""
        document = self.compiled.plan.introspection
        if document is None:
            return {}
        return execute_sync(self.schema, document, variable_values=dict(variables)).data or {}


class Graph:
    """One supergraph, its API schema, and the operations prepared for it."""

    def __init__(
        self,
        supergraph: Supergraph,
        *,
        schema: GraphQLSchema | None = None,
        labels: frozenset[str] = frozenset(),
        cache_bytes: int = _CACHE_BYTES,
    ) -> None:
        """Make a supergraph ready; its API `schema` is made unless given.

        `labels` are the @override labels that are on; `cache_bytes` is a rough bound.
        """
        self.supergraph = supergraph
        self.schema = api_schema(supergraph) if schema is None else schema
        self.reach = Reach(supergraph, labels)
        self._documents: Cache[tuple[DocumentNode, frozenset[str]]] = Cache(cache_bytes // 4)
        self._plans: Cache[CompiledPlan] = Cache(cache_bytes // 2)
        self._prepared: Cache[Prepared] = Cache(cache_bytes // 4)

    @classmethod
    def from_sdl(cls, text: str, *, folder: Path | None = None) -> Self:
        """Read a supergraph's SDL; what was read is kept in `folder`. Raises InvalidSupergraph."""
        collects = gc.isenabled()
        gc.disable()  # thrice as fast: all that is made here stays
        try:
            supergraph, schema = read_supergraph(text, folder)
            return cls(supergraph, schema=schema)
        finally:
            if collects:
                gc.enable()

    def operations(self) -> list[Known]:
        """Return the operations that are prepared, those used last at the end."""
        return cast("list[Known]", self._prepared.keys())

    def warm(self, operations: Iterable[Known]) -> int:
        """Prepare operations that another graph knew, as far as they fit this one; return how many did."""
        count = 0
        for query, name, values in operations:
            with suppress(RouterError):
                self.prepare(query, name, dict(values))
                count += 1
        return count

    def prepare(
        self, query: str, operation_name: str | None = None, variables: Mapping[str, object] | None = None
    ) -> Prepared:
        """Return the prepared operation, from the cache where it is known.

        `variables` count only where @skip and @include name them: each combination of their values has a plan.
        Raises ParseFailed, ValidationFailed, UnknownOperation, Unplannable.
        """
        document, names = self._document(query)
        node = _operation(document, operation_name)
        values = _conditions(names, node, variables or {}) if names else {}
        asked = (query, operation_name, tuple(sorted(values.items())))
        found = self._prepared.get(asked)
        if found is None:
            lifted = lift(self.schema, document, node)
            compiled = self._compiled(Operation(lifted.document, lifted.node, values))
            found = Prepared(self.schema, node, compiled, lifted.values, _fragments(document))
            self._prepared.put(asked, found, _weight(query))
        return found

    def _compiled(self, operation: Operation) -> CompiledPlan:
        text = print_ast(operation.document)
        asked = (text, tuple(sorted(operation.values.items())))
        found = self._plans.get(asked)
        if found is None:
            found = CompiledPlan(plan_operation(self.reach, self.schema, operation))
            self._plans.put(asked, found, _weight(text))
        return found

    def _document(self, query: str) -> tuple[DocumentNode, frozenset[str]]:
        found = self._documents.get(query)
        if found is not None:
            return found
        try:
            document = parse(query)
        except GraphQLError as error:
            raise ParseFailed([error.formatted]) from error
        except RecursionError as error:
            raise ParseFailed([{"message": "The document is nested too deeply."}]) from error
        errors = validate(self.schema, document)
        if errors:
            raise ValidationFailed([one.formatted for one in errors])
        found = (document, _condition_names(document))
        return self._documents.put(query, found, _weight(query))


def _weight(text: str) -> int:
    """Estimate the bytes that a document of this text takes with what is made of it."""
    return 4096 + 64 * len(text)


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if name:
        operations = [one for one in operations if one.name is not None and one.name.value == name]
    if len(operations) != 1:
        raise UnknownOperation(name)
    return operations[0]


def _fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}


def _condition_names(document: DocumentNode) -> frozenset[str]:
    """Return the variables that @skip, @include, @defer and @stream name as conditions anywhere in a document."""
    found: set[str] = set()
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
            _collect_conditions(definition.selection_set, found)
    return frozenset(found)


def _collect_conditions(selections: SelectionSetNode, found: set[str]) -> None:
    for node in selections.selections:
        for use in node.directives or ():
            if use.name.value in ("skip", "include", "defer", "stream"):
                values = [one.value for one in use.arguments or () if one.name.value == "if"]
                found.update(one.name.value for one in values if isinstance(one, VariableNode))
        if isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set is not None:
            _collect_conditions(node.selection_set, found)


def _conditions(
    names: frozenset[str], node: OperationDefinitionNode, variables: Mapping[str, object]
) -> dict[str, bool]:
    """Return the values of the variables that decide what is selected. Raises BadVariables."""
    found: dict[str, bool] = {}
    for one in node.variable_definitions or ():
        name = one.variable.name.value
        if name not in names:
            continue
        default = one.default_value.value if isinstance(one.default_value, BooleanValueNode) else None
        value = variables.get(name, default)
        if not isinstance(value, bool):
            raise BadVariables([{"message": f"The variable ${name} must be true or false."}])
        found[name] = value
    return found
