"""What a client may read of an error: public codes pass, everything else becomes a reference into the log."""

from typing import Any

import structlog

# Written for clients, by the router or by the kit (contracts.md, "Commands"). Anything else may hold SQL, paths, rows.
PUBLIC_CODES = frozenset({
    "BAD_USER_INPUT", "DEADLINE", "FORBIDDEN", "IDEMPOTENCY_KEY_REUSED", "ILLEGAL_STATE", "MODULE_UNAVAILABLE",
    "NOT_ENTITLED", "NOT_FOUND", "OVERLOADED", "STALE_VERSION", "UNAUTHENTICATED", "VALIDATION",
})  # fmt: skip
_PUBLIC_EXTENSIONS = frozenset({"code", "module", "permission", "receipt", "retryAfterMs", "skipped"})

log = structlog.get_logger()


def mask(errors: list[dict[str, Any]], *, reference: str) -> None:
    """Rewrite `errors` in place for the client; the log keeps the whole of each one under `reference`."""
    for error in errors:
        extensions: dict[str, Any] = error.get("extensions") or {}
        if extensions.get("code") in PUBLIC_CODES:
            error["extensions"] = {name: value for name, value in extensions.items() if name in _PUBLIC_EXTENSIONS}
        else:
            log.error("error_masked", reference=reference, **{**error, "extensions": extensions})
            _replace(error, module=extensions.get("module"), reference=reference)


def masked_message(module: str | None, reference: str) -> str:
    """Return the sentence that stands for an error of ours."""
    where = f" in {module}" if module else ""
    return f"Something went wrong{where}. Reference: {reference}"


def _replace(error: dict[str, Any], *, module: str | None, reference: str) -> None:
    error["message"] = masked_message(module, reference)
    error["extensions"] = {"code": "INTERNAL", **({"module": module} if module else {})}
    error.pop("locations", None)
