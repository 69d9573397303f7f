"""The trace of a request (W3C Trace Context), handed on to the modules."""

import re
import secrets

import msgspec

_TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")


class Trace(msgspec.Struct, frozen=True):
    """Where a request stands in its trace. `request_id` is our span: errors show it, the log is searched for it."""

    trace_id: str
    request_id: str
    flags: str

    @property
    def traceparent(self) -> str:
        """The header that the modules get."""
        return f"00-{self.trace_id}-{self.request_id}-{self.flags}"


def trace_of(traceparent: bytes | None) -> Trace:
    """Return the trace that the client began, or a new one where its header is absent or malformed."""
    match = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    request_id = secrets.token_hex(8)
    if match:
        return Trace(match[1].decode(), request_id, match[2].decode())
    return Trace(secrets.token_hex(16), request_id, "01")
