"""GraphQL over HTTP: what a request means, and how an answer or a refusal is written.

Source: the GraphQL-over-HTTP draft. `application/json` answers a document that doesn't parse or validate with 200, as
the draft asks; `application/graphql-response+json` answers it with 400.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

import msgspec

from router.errors import BadRequest, DocumentError, RouterError, Unauthenticated, Unavailable, UnknownOperation
from router.gateway.errors import (
    BatchRefused,
    LimitExceeded,
    MethodNotAllowed,
    NotAcceptable,
    RateExceeded,
    UnsupportedMediaType,
)
from router.gateway.protocol.asgi import Request, Response

JSON = b"application/json"
GRAPHQL_JSON = b"application/graphql-response+json"
_STATUS = {
    "BAD_REQUEST": 400,
    "BATCH_REFUSED": 400,
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "ORIGIN_NOT_ALLOWED": 403,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "NOT_ACCEPTABLE": 406,
    "REQUEST_TIMEOUT": 408,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "UNKNOWN_HOST": 421,
    "RATE_LIMITED": 429,
    "HEADERS_TOO_LARGE": 431,
    "INTERNAL": 500,
    "MODULE_UNAVAILABLE": 503,
    "OVERLOADED": 503,
    "DEADLINE": 504,
}


class Operation(msgspec.Struct, frozen=True, rename={"operation_name": "operationName"}):
    """What a client asks to be run."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


_decoder = msgspec.json.Decoder(Operation)


def check_post(request: Request) -> None:
    """Raise UnsupportedMediaType unless the body is said to be JSON in UTF-8."""
    if not _is_json(request.headers.get(b"content-type", b"")):
        raise UnsupportedMediaType


def read_post(body: bytes, *, variables_bytes: int = 64 * 1024) -> Operation:
    """Return the operation in a JSON body.

    Raises BadRequest, BatchRefused for an array, LimitExceeded where the variables have more than `variables_bytes`.
    """
    try:
        operation = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        if body.lstrip()[:1] == b"[":
            raise BatchRefused from error
        raise BadRequest(f"The body is not a GraphQL request: {_sentence(error)}") from error
    if len(body) > variables_bytes:
        check_variables(operation, variables_bytes)
    return operation


def check_variables(operation: Operation, limit: int) -> None:
    """Raise LimitExceeded where the variables have more than `limit` bytes."""
    if operation.variables and len(msgspec.json.encode(operation.variables)) > limit:
        raise LimitExceeded("variables bytes", limit)


def read_get(query: bytes) -> Operation:
    """Return the operation in a query string. Raises BadRequest."""
    try:
        given = {name: values[-1] for name, values in parse_qs(query.decode("ascii"), max_num_fields=20).items()}
        fields = {name: given[name] for name in ("query", "operationName") if name in given}
        parsed = {name: msgspec.json.decode(given[name]) for name in ("variables", "extensions") if name in given}
        return msgspec.convert({**fields, **parsed}, Operation)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadRequest(f"The query string is not a GraphQL request: {_sentence(error)}") from error


@lru_cache(maxsize=256)
def answer_type(accept: bytes) -> bytes:
    """Return the media type to answer with, by the header `accept`. Raises NotAcceptable."""
    if not accept.strip():
        return JSON
    best, best_quality = b"", 0.0
    for part in accept.lower().split(b","):
        media, *parameters = (piece.strip() for piece in part.split(b";"))
        quality = _quality(parameters)
        known = media if media in (JSON, GRAPHQL_JSON) else JSON if media in (b"*/*", b"application/*") else b""
        if known and quality > best_quality:
            best, best_quality = known, quality
    if not best:
        raise NotAcceptable
    return best


def answer(
    body: bytes,
    *,
    media: bytes,
    request_id: bytes,
    status: int = 200,
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> Response:
    """Return the response that carries a GraphQL answer."""
    return Response(
        status=status,
        content_type=media + b"; charset=utf-8",
        body=body,
        headers=((b"mewayz-request-id", request_id), *headers),
    )


def refusal(error: RouterError, *, media: bytes = JSON, request_id: bytes | None = None) -> Response:
    """Return the response that says why nothing was done: GraphQL errors with stable codes."""
    errors = error.errors if isinstance(error, DocumentError) else [error.formatted()]
    return Response(
        status=status_of(error, media),
        content_type=media + b"; charset=utf-8",
        body=msgspec.json.encode({"errors": errors}),
        headers=tuple(_refusal_headers(error, request_id)),
    )


def status_of(error: RouterError, media: bytes = GRAPHQL_JSON) -> int:
    """Return the HTTP status of a refusal that is answered as `media`."""
    if media == JSON and isinstance(error, DocumentError | UnknownOperation):
        return 200
    return status_of_code(error.code)


def status_of_code(code: str) -> int:
    """Return the HTTP status of a refused request, by the code of its error."""
    return _STATUS.get(code, 400)


def _refusal_headers(error: RouterError, request_id: bytes | None) -> Iterator[tuple[bytes, bytes]]:
    if request_id:
        yield b"mewayz-request-id", request_id
    if isinstance(error, MethodNotAllowed):
        yield b"allow", ", ".join(error.allowed).encode()
    if isinstance(error, Unauthenticated):
        yield b"www-authenticate", b"Bearer"
    if isinstance(error, Unavailable | RateExceeded):
        yield b"retry-after", str(-(-(error.retry_after_ms or 1000) // 1000)).encode()


def _is_json(content_type: bytes) -> bool:
    media, *parameters = (piece.strip() for piece in content_type.lower().split(b";"))
    charset = next((value for value in parameters if value.startswith(b"charset=")), b"charset=utf-8")
    return media == JSON and charset.removeprefix(b"charset=").strip(b'"') == b"utf-8"


def _quality(parameters: list[bytes]) -> float:
    for parameter in parameters:
        if parameter.startswith(b"q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, msgspec.MsgspecError) else type(error).__name__
