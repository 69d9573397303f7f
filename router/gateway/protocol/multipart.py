"""Several payloads in one HTTP response, as parts of `multipart/mixed`: how @defer reaches a client.

Source: the incremental delivery over HTTP draft; the parts are those of the specification's draft. Clients that ask for
an older shape (`deferSpec`) get the whole answer at once.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

MULTIPART = b'multipart/mixed; boundary="-"'
_HEAD = b"\r\n---\r\ncontent-type: application/json; charset=utf-8\r\n\r\n"
_END = b"\r\n-----\r\n"


def accepts_parts(accept: bytes) -> bool:
    """Whether a client's header `accept` asks for parts in the shape we write."""
    wanted = [part for part in accept.lower().split(b",") if part.strip().startswith(b"multipart/mixed")]
    return any(b"deferspec" not in part and b"subscriptionspec" not in part for part in wanted)


async def in_parts(payloads: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Yield the bytes of a response, one part for each payload."""
    async with aclosing(payloads) as opened:
        async for payload in opened:
            yield _HEAD + payload
    yield _END
