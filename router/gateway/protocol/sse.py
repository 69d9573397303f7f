"""Server-sent events: answers one after the other on one HTTP response.

Source: the GraphQL over SSE protocol, "distinct connections mode": `next` for each answer, then `complete`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import msgspec

from router.gateway.errors import NotSignedIn

EVENT_STREAM = b"text/event-stream"
_PAUSE_S = 12.0  # below the idle time of the proxies in front
_COMPLETE = b"event: complete\ndata:\n\n"
_HEARTBEAT = b":\n\n"

Over = Callable[[], Awaitable[None]]
"""Returns when the caller is signed in no longer."""


async def event_stream(answers: AsyncGenerator[bytes], *, over: Over | None) -> AsyncGenerator[bytes]:
    """Yield the bytes of a response: each answer as `next`, a comment when nothing comes for 12 s, `complete`.

    When `over` returns, because the caller's token has expired or was revoked, the last answer is an error.
    """
    try:
        async with aclosing(with_pauses(answers, _PAUSE_S, over)) as opened:
            async for answer in opened:
                yield _HEARTBEAT if answer is None else _next(answer)
    except NotSignedIn as error:
        yield _next(msgspec.json.encode({"errors": [error.formatted()]}))
    yield _COMPLETE


async def with_pauses(
    items: AsyncGenerator[bytes], pause_s: float, over: Over | None = None
) -> AsyncGenerator[bytes | None]:
    """Yield the items, and None whenever `pause_s` seconds passed without one.

    Raises NotSignedIn when `over` returns.
    """
    ending = None if over is None else asyncio.ensure_future(over())
    try:
        async with aclosing(items):
            while True:
                upcoming = asyncio.ensure_future(anext(items))
                try:
                    while not upcoming.done():
                        watched = {upcoming} if ending is None else {upcoming, ending}
                        await asyncio.wait(watched, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
                        if ending is not None and ending.done():
                            raise NotSignedIn("the token expired or was revoked during the stream")
                        if not upcoming.done():
                            yield None
                finally:
                    if not upcoming.done():
                        upcoming.cancel()
                        await asyncio.wait({upcoming})
                try:
                    yield upcoming.result()
                except StopAsyncIteration:
                    return
    finally:
        if ending is not None:
            ending.cancel()


def _next(answer: bytes) -> bytes:
    return b"event: next\ndata: " + answer + b"\n\n"
