"""A subscription: its root field's events from one subgraph, the rest of the selection fetched for each event."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import TypeAlias, cast

from router.errors import BadRequest, RouterError
from router.execution.prepared import Prepared
from router.execution.run import Answer, Send, react, subscription_request

Open: TypeAlias = Callable[[str, bytes], AsyncIterator[bytes]]
"""(subgraph name, JSON request body) -> the JSON of each event. Raises Unavailable when the stream breaks."""


def subscribe(
    prepared: Prepared,
    variables: Mapping[str, object] | None,
    open_stream: Open,
    send: Send,
    *,
    event_deadline_s: float,
) -> AsyncGenerator[Answer]:
    """Return the answers of a subscription, one for each event; a stream that breaks ends with an error.

    Raises BadVariables, or BadRequest where nothing can be streamed.
    """
    if not prepared.compiled.plan.fetches:
        raise BadRequest("The subscription selects nothing that happens.")
    subgraph, body = subscription_request(prepared, variables)
    return _answers(prepared, variables, open_stream(subgraph, body), send, event_deadline_s)


async def _answers(
    prepared: Prepared, variables: Mapping[str, object] | None, events: AsyncIterator[bytes], send: Send, seconds: float
) -> AsyncGenerator[Answer]:
    try:
        async with aclosing(cast("AsyncGenerator[bytes]", events)) as opened:
            async for event in opened:
                yield await react(prepared, variables, event, send, deadline_s=seconds)
    except RouterError as error:
        yield Answer(None, [error.formatted()], 0)
