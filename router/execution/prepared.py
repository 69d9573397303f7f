"""A supergraph ready for requests, and operations ready to be executed.

    graph = Graph.from_sdl(text)
    prepared = graph.prepare(query, operation_name, variables)      # raises router.errors.InvalidInput branches
    answer = await execute(prepared, variables, send, deadline_s)   # router.execution.run
    body = answer.body()

A `Graph` never changes; a new supergraph is a new Graph, and requests under way finish on the old one.
"""

from collections.abc import Mapping
from typing import Literal, Self

from graphql import GraphQLSchema

from router.supergraph.model import Supergraph


class Prepared:
    """An operation that is parsed, validated, planned and compiled; shared by all requests that send it."""

    operation: Literal["query", "mutation", "subscription"]
    name: str | None
    subgraphs: tuple[str, ...]  # the names of the subgraphs it fetches from; empty for introspection


class Graph:
    """One supergraph, its API schema, and the operations prepared for it (LRU)."""

    supergraph: Supergraph
    schema: GraphQLSchema

    @classmethod
    def from_sdl(cls, text: str) -> Self:
        """Read a supergraph's SDL. Raises InvalidSupergraph."""
        raise NotImplementedError

    def prepare(
        self, query: str, operation_name: str | None = None, variables: Mapping[str, object] | None = None
    ) -> Prepared:
        """Return the prepared operation, from the cache where it is known.

        `variables` count only where @skip, @include or @defer name them: each combination of their values has a plan.
        Raises ParseFailed, ValidationFailed, UnknownOperation, BadVariables, Unplannable.
        """
        raise NotImplementedError
