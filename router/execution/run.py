"""Execute a prepared operation: fetches start when their own inputs are there, the answer is bytes."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from router.execution.prepared import Prepared

Send: TypeAlias = Callable[[str, bytes, float], Awaitable[bytes]]
"""(subgraph name, JSON request body, seconds left) -> response body.

Raises a subclass of router.errors.Unavailable where the subgraph cannot be asked; any other RouterError becomes an
error at the fetch's place too. Cancelled when the request is.
"""


class Answer:
    """What goes back to the client."""

    errors: list[dict[str, object]]

    def body(self) -> bytes:
        """Return the response as JSON: `data`, and `errors` if there are any."""
        raise NotImplementedError


async def execute(prepared: Prepared, variables: Mapping[str, object] | None, send: Send, deadline_s: float) -> Answer:
    """Answer an operation within `deadline_s` seconds; what is missing by then is null with an error.

    Raises BadVariables; everything else that goes wrong is an error in the answer.
    """
    raise NotImplementedError
