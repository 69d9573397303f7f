"""Server-sent events: answers one after the other on one HTTP response.

Source: the GraphQL over SSE protocol, "distinct connections mode": `next` for each answer, then `complete`.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from router.gateway.errors import NotSignedIn

EVENT_STREAM = b"text/event-stream"
_PAUSE_S = 12.0  # below the idle time of the proxies in front
_COMPLETE = b"event: complete\ndata:\n\n"
_HEARTBEAT = b":\n\n"


async def event_stream(answers: AsyncGenerator[bytes], *, ends_in_s: float | None) -> AsyncGenerator[bytes]:
    """Yield the bytes of a response: each answer as `next`, a comment when nothing comes for 12 s, `complete`.

    After `ends_in_s` seconds, when the caller's token has expired, the last answer is an error.
    """
    ends_at = None if ends_in_s is None else asyncio.get_running_loop().time() + ends_in_s
    try:
        async with aclosing(with_pauses(answers, _PAUSE_S, ends_at)) as opened:
            async for answer in opened:
                yield _HEARTBEAT if answer is None else _next(answer)
    except NotSignedIn as error:
        yield _next(msgspec.json.encode({"errors": [error.formatted()]}))
    yield _COMPLETE


async def with_pauses(
    items: AsyncGenerator[bytes], pause_s: float, ends_at: float | None = None
) -> AsyncGenerator[bytes | None]:
    """Yield the items, and None whenever `pause_s` seconds passed without one.

    Raises NotSignedIn at the loop's time `ends_at`.
    """
    loop = asyncio.get_running_loop()
    async with aclosing(items):
        while True:
            upcoming = asyncio.ensure_future(anext(items))
            try:
                while not upcoming.done():
                    left = pause_s if ends_at is None else min(pause_s, ends_at - loop.time())
                    if left <= 0:
                        raise NotSignedIn("the token expired during the stream")
                    await asyncio.wait({upcoming}, timeout=left)
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


def _next(answer: bytes) -> bytes:
    return b"event: next\ndata: " + answer + b"\n\n"
