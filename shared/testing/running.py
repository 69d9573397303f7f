"""What the suite needs of a module that runs: the tests run it in their own process, on real PostgreSQL and NATS."""

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from shared.database.transaction import Database
from shared.module import Module
from shared.wire.principal import Principal


class Answer(Protocol):
    """A GraphQL response."""

    @property
    def data(self) -> Any:
        """What was answered, None where nothing could be."""
        ...

    @property
    def errors(self) -> list[Any]:
        """What went wrong."""
        ...


class Running(Protocol):
    """A running module; tests/modules.py has the one there is."""

    @property
    def module(self) -> Module:
        """The module's table of contents."""
        ...

    @property
    def database(self) -> Database:
        """Its database, as its app role sees it."""
        ...

    async def new_tenant(self) -> Principal:
        """Make a tenant known to the module and return an all-powerful member of it."""
        ...

    async def execute(self, principal: Principal, query: str, **variables: Any) -> Answer:
        """Execute a GraphQL operation as `principal`."""
        ...

    async def publish(
        self,
        tenant: UUID | None,
        event_type: str,
        aggregate: str,
        subject: UUID,
        sequence: int,
        data: Mapping[str, Any],
        **envelope: Any,
    ) -> UUID:
        """Publish an event as another module would; return its id."""
        ...

    async def outgoing(self, tenant: UUID | None, event_type: str = ">") -> list[dict[str, Any]]:
        """Return the events of a tenant in the stream's order, once all that the module has told are there."""
        ...
