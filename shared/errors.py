"""What can go wrong, by what the caller can do about it.

MewayzError
├── Refusal       change the request: becomes `userErrors` of a command
├── InvalidInput  fix the program: a malformed request, a wrong setting
├── Denied        log in, or ask for rights
├── Unavailable   try again later, or queue it
└── Defect        ours: masked outside, whole in the log

A class has a stable `code`, takes facts and writes the sentence.
"""


class MewayzError(Exception):
    """The root: a sentence for a person, a stable code, and the facts behind it."""

    code = "INTERNAL"

    def __init__(self, message: str, /, **facts: object) -> None:
        """Keep the sentence and the facts it was written from."""
        super().__init__(message)
        self.message = message
        self.facts = facts


class Refusal(MewayzError):
    """A rule of the business says no; the caller changes the request. `field` names the input at fault.

    Its sentence is a template with facts in braces, so that people read it in their language (shared/language.py).
    """

    code = "VALIDATION"
    field: tuple[str, ...] | None = None

    def __init__(self, template: str, /, **facts: object) -> None:
        """Write the English sentence."""
        super().__init__(template.format_map(facts), **facts)
        self.template = template


class InvalidInput(MewayzError):
    """The program that called is wrong."""

    code = "BAD_REQUEST"


class AnswerTooLarge(InvalidInput):
    """What was asked for has more bytes than one answer may have."""

    code = "ANSWER_TOO_LARGE"

    def __init__(self, limit: int) -> None:
        """Name the limit in bytes."""
        super().__init__(f"The answer would be larger than {limit} bytes: ask for less at once.", limit=limit)


class Denied(MewayzError):
    """The caller is not known, or may not."""

    code = "FORBIDDEN"


class Unavailable(MewayzError):
    """Not now: the caller may repeat the request later."""

    code = "MODULE_UNAVAILABLE"


class Defect(MewayzError):
    """Our fault; outside only an id of the log line is shown."""

    code = "INTERNAL"


class NotFound(Refusal):
    """There is no such row, or it is another tenant's: the two are answered alike."""

    code = "NOT_FOUND"

    def __init__(self, entity: str, row_id: object) -> None:
        """Name the entity and the id that was asked for."""
        super().__init__("There is no {entity} with the id {id}.", entity=entity, id=str(row_id))


class Invalid(Refusal):
    """An input breaks a rule of its own: too long, negative, not in the list."""

    code = "VALIDATION"

    def __init__(self, template: str, /, *field: str, **facts: object) -> None:
        """Say what is wrong with which input field."""
        super().__init__(template, **facts)
        self.field = field or None


class StaleVersion(Refusal):
    """Someone else changed the row first."""

    code = "STALE_VERSION"

    def __init__(self, entity: str, sent: int | None, actual: int | None) -> None:
        """Name the version that was sent and the one the row has (None where the race was lost at the commit)."""
        super().__init__(
            "{entity} is at version {actual}, you sent {sent}: read it again, then repeat the change."
            if sent is not None
            else "{entity} was changed at the same moment: read it again, then repeat the change.",
            entity=entity,
            sent=sent,
            actual=actual,
        )


class IllegalState(Refusal):
    """The row's state does not allow the step."""

    code = "ILLEGAL_STATE"


class IdempotencyKeyReused(Refusal):
    """The key was used before, with other input."""

    code = "IDEMPOTENCY_KEY_REUSED"

    def __init__(self, key: str) -> None:
        """Name the key."""
        super().__init__("The idempotency key {key!r} was already used with other input: send a new key.", key=key)


class NotYet(Unavailable):
    """Another aggregate's fact has not arrived here yet: an event handler that says so is tried again (contracts.md)."""

    def __init__(self, missing: str) -> None:
        """Name what is missing."""
        super().__init__(f"This module has not heard of {missing} yet: try again in a moment.", missing=missing)


class Forbidden(Denied):
    """The caller is known and lacks a permission."""

    code = "FORBIDDEN"

    def __init__(self, permission: str) -> None:
        """Name the permission that is missing."""
        super().__init__(f"This needs the permission {permission}: ask an administrator for it.", permission=permission)


class NotEntitled(Denied):
    """The caller is known and has not the module."""

    code = "NOT_ENTITLED"

    def __init__(self, module: str) -> None:
        """Name the module."""
        super().__init__(f"{module} is not among the modules that may be used here.", module=module)


class Unauthenticated(Denied):
    """No token, or one that is not accepted; one wording for every cause."""

    code = "UNAUTHENTICATED"

    def __init__(self, reason: str = "") -> None:
        """Keep `reason` for the log only."""
        super().__init__("Sign in to continue: the token is missing, expired or not accepted.", reason=reason)
