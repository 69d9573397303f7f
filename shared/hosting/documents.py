"""Executes documents on a module's schema; parsing and validation are done once a document."""

import functools
import inspect
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, cast

import graphql
from graphql import DocumentNode, ExecutionResult, GraphQLError, StringValueNode, Visitor, parse, validate, visit
from sqlalchemy.orm import configure_mappers
from strawberry.execution import optimized_is_awaitable

from shared.errors import Invalid
from shared.graph.context import RequestContext
from shared.hosting.errors import shown_in_answer
from shared.module import Module
from shared.module.schema import build_schema

_KEPT = 1000
_execute: Any = graphql.execute  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


@functools.cache
def schema_of(module: Module) -> Any:
    """Return the Strawberry schema of a module, built once a process, or before it in the process it is forked from."""
    schema = build_schema(module)
    configure_mappers()  # else the first query does it, in memory that the processes don't share
    return schema


class Documents:
    """A module's schema with its cache of validated documents (the router sends the same few again and again)."""

    def __init__(self, module: Module) -> None:
        """Build the schema of `module`."""
        self._module = module.slug
        self._strawberry = schema_of(module)
        self.schema = self._strawberry._schema  # pyright: ignore[reportPrivateUsage]
        self._kept: OrderedDict[str, DocumentNode] = OrderedDict()

    async def execute(
        self, query: str, variables: Mapping[str, Any] | None, operation: str | None, context: RequestContext
    ) -> dict[str, Any]:
        """Return the response of one operation: `data`, and `errors` if there are any."""
        result = await self.run(query, variables, operation, context)
        context.tell_reads()
        shown = [shown_in_answer(error, self._module) for error in result.errors or ()]
        if result.data is None and shown and not any("path" in error for error in shown):
            return {"errors": shown}
        return {"data": result.data, "errors": shown} if shown else {"data": result.data}

    async def run(
        self, query: str, variables: Mapping[str, Any] | None, operation: str | None, context: RequestContext
    ) -> ExecutionResult:
        """Return the result of one operation, with its errors as they were raised."""
        if _holds_nul(variables):
            return ExecutionResult(None, [_no_text()])
        document = self._kept.get(query)
        if document is None:
            try:
                document = parse(query)
                errors = validate(self.schema, document) or _nul_in_literals(document)
            except GraphQLError as error:
                errors = [error]
            if errors:
                return ExecutionResult(None, errors)
            assert document is not None
            self._kept[query] = document
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(query)
        result = _execute(
            self.schema,
            document,
            context_value=context,
            variable_values=dict(variables) if variables else None,
            operation_name=operation,
            is_awaitable=optimized_is_awaitable,
        )
        return await result if inspect.isawaitable(result) else result


def _no_text() -> GraphQLError:
    """Return what is said of the one character that no text in PostgreSQL can hold."""
    refusal = Invalid("No text can hold the character NUL (U+0000).")
    return GraphQLError(refusal.message, original_error=refusal)


def _nul_in_literals(document: DocumentNode) -> list[GraphQLError]:
    found: list[GraphQLError] = []

    class Literals(Visitor):
        def enter_string_value(self, node: StringValueNode, *_: object) -> None:
            if "\0" in node.value:
                found.append(_no_text())

    visit(document, Literals())
    return found[:1]


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(map(_holds_nul, cast("Mapping[str, object]", value).values()))
    return isinstance(value, list) and any(map(_holds_nul, cast("list[object]", value)))
