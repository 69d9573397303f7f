"""What the gateway itself says of commands that wait, in the language of who reads it: zh_CN.po is beside.

A receipt keeps the English sentence. It is told anew to each reader; a module's own words are as they were said.
"""

from pathlib import Path
from typing import Any

import msgspec

from shared.wire.receipt import Reason

EXPIRED = "{module} did not come back in time; nothing was done. Send it again."
CANCELLED = "The command was taken back before it was executed."
REVOKED = "Your rights were taken back before the command was executed."
UNKNOWN = "There is no receipt of yours with the id {id}."
TOO_LATE = "The command can't be taken back any more: it is {status}."
REUSED = "This idempotency key was already used with other input: send a new key."

_KEPT = {"EXPIRED": EXPIRED, "CANCELLED": CANCELLED, "FORBIDDEN": REVOKED}  # by the code that a receipt keeps
_CATALOGUE = Path(__file__).with_name("zh_CN.po")


def said(template: str, locale: str, **facts: object) -> str:
    """Return a sentence of ours in the language of `locale`."""
    from shared.language import sentence_from  # babel is read where somebody reads Chinese, or there was a reason

    return sentence_from(_CATALOGUE, template, facts, locale)


def kept(code: str, **facts: object) -> Reason:
    """Return a reason as a receipt keeps it."""
    return Reason(code=code, message=_KEPT[code].format_map(facts))


def shown(reason: Reason, module: str, locale: str) -> dict[str, Any]:
    """Return a receipt's reason as a `UserError`, in the reader's language where the sentence is ours."""
    facts, template = {"module": module}, _KEPT.get(reason.code)
    if template is not None and template.format_map(facts) == reason.message:
        reason = msgspec.structs.replace(reason, message=said(template, locale, **facts))
    return msgspec.to_builtins(reason)
