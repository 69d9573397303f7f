"""What a client may read of an error: public codes pass, everything else becomes a reference into the log."""

from typing import Any, cast

import structlog

# Written for clients, by the router or by the kit (contracts.md, "Commands"). Anything else may hold SQL, paths, rows.
PUBLIC_CODES = frozenset({
    "ANSWER_TOO_LARGE", "BAD_USER_INPUT", "DEADLINE", "FORBIDDEN", "IDEMPOTENCY_KEY_REUSED", "ILLEGAL_STATE",
    "MODULE_UNAVAILABLE", "NOT_ENTITLED", "NOT_FOUND", "OVERLOADED", "QUEUE_FULL", "STALE_VERSION", "UNAUTHENTICATED",
    "VALIDATION",
})  # fmt: skip
_PUBLIC_EXTENSIONS = frozenset({"code", "module", "permission", "receipt", "retryAfterMs", "skipped"})

log = structlog.get_logger()


def mask(errors: list[dict[str, Any]], *, reference: str) -> None:
    """Rewrite `errors` in place for the client; the log keeps the whole of each masked one under `reference`."""
    errors[:] = [_masked(error, reference) for error in errors]


def masked_message(module: str | None, reference: str) -> str:
    """Return the sentence that stands for an error of ours."""
    where = f" in {module}" if module else ""
    return f"Something went wrong{where}. Reference: {reference}"


def _masked(error: dict[str, Any], reference: str) -> dict[str, Any]:
    given = error.get("extensions")
    extensions = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    code, module = extensions.get("code"), extensions.get("module")
    place = {"path": error["path"]} if "path" in error else {}
    if isinstance(code, str) and code in PUBLIC_CODES:
        shown = {name: value for name, value in extensions.items() if name in _PUBLIC_EXTENSIONS}
        return {"message": error.get("message"), **place, "extensions": shown}
    log.error("error_masked", reference=reference, error=error, module=module)
    shown = {"code": "INTERNAL", **({"module": module} if module else {})}
    return {"message": masked_message(module, reference), **place, "extensions": shown}
