"""Sessions for the command line: identity issues them, over its own socket, to a job that the supervisor forks."""

import asyncio
import time
from pathlib import Path

import anyio
import msgspec

from mewayz.runtime.orders import Session
from shared.clock import Clock, clock_from
from shared.errors import Unavailable
from shared.wire.control import Answer, GetToken
from shared.wire.principal import Principal
from shared.wire.token import SigningKey, sign_internal

_TIMEOUT_S = 10


class NoSession(Unavailable):
    """Identity gave no session."""

    code = "NO_SESSION"


class _Session(msgspec.Struct):
    accessToken: str


async def answer_session(order: Session) -> Answer:
    """Return the token that was asked for, or a sentence on why there is none."""
    clock = clock_from(order.clock, test_data=order.test_data)
    key = SigningKey.from_bytes(bytes.fromhex(order.signing_key))
    try:
        return Answer(token=await _token(order.request, Path(order.identity), key, clock))
    except NoSession as error:
        return Answer(error=error.message)


async def _token(request: GetToken, identity: Path, key: SigningKey, clock: Clock) -> str:
    """Return a 10-minute access token for a user of a tenant. `identity` is that module's socket. Raises NoSession."""
    body = msgspec.json.encode({"tenant": request.tenant, **({"user": request.user} if request.user else {})})
    token = sign_internal(
        key,
        Principal(tenant=None),
        audience="identity",
        body=body,
        deadline=time.time() + _TIMEOUT_S,
        via="supervisor",
        clock=clock,
    )
    try:
        with anyio.fail_after(_TIMEOUT_S):
            status, answer = await post(identity, "/auth/session", body, token)
    except (OSError, TimeoutError, ValueError, IndexError):
        raise NoSession("Module identity doesn't answer: see `mewayz status`.") from None
    if status != 200:
        raise NoSession(f"Identity knows no such user or tenant ({request.tenant}, {request.user or 'owner'}).")
    return msgspec.json.decode(answer, type=_Session).accessToken


async def post(path: Path, target: str, body: bytes, token: str) -> tuple[int, bytes]:
    """Send a request to a module's socket; return status and body. Raises OSError, and ValueError for no HTTP answer."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        head = (
            f"POST {target} HTTP/1.1\r\nhost: module\r\nauthorization: Bearer {token}\r\nconnection: close\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = await reader.read()
    finally:
        writer.close()
    headers, _, content = answer.partition(b"\r\n\r\n")
    return int(headers.split(b" ", 2)[1]), content
