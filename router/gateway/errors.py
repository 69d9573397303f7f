"""What the gateway itself refuses. `protocol.http` gives each code its HTTP status."""

from router.errors import Denied, Forbidden, InvalidInput, Unauthenticated, Unavailable


class NotSignedIn(Unauthenticated):
    """No token, or one that is not accepted; one wording for every cause."""

    def __init__(self, reason: str) -> None:
        """Keep `reason` for the log only."""
        super().__init__("Sign in to continue: the token is missing, expired or not accepted.", reason=reason)


class BatchRefused(InvalidInput):
    """A JSON array of operations came."""

    code = "BATCH_REFUSED"

    def __init__(self) -> None:
        """Write the sentence."""
        super().__init__("Batches are not accepted: send one operation in a request.")


class BodyTooLarge(InvalidInput):
    """The body has more bytes than are accepted."""

    code = "PAYLOAD_TOO_LARGE"

    def __init__(self, limit: int) -> None:
        """Name the limit in bytes."""
        super().__init__(f"The body is larger than {limit} bytes.", limit=limit)


class AnswerTooLarge(InvalidInput):
    """What was asked for has more bytes than one answer may have."""

    code = "ANSWER_TOO_LARGE"

    def __init__(self, limit: int) -> None:
        """Name the limit in bytes."""
        super().__init__(f"The answer would be larger than {limit} bytes: ask for less at once.", limit=limit)


class HeadTooLarge(InvalidInput):
    """The header fields, or what else is no body, have more bytes than are accepted."""

    code = "HEADERS_TOO_LARGE"

    def __init__(self, limit: int) -> None:
        """Name the limit in bytes."""
        super().__init__(f"The header fields are larger than {limit} bytes.", limit=limit)


class TooSlow(InvalidInput):
    """The request did not arrive whole in time."""

    code = "REQUEST_TIMEOUT"

    def __init__(self, part: str, limit_s: float) -> None:
        """Name the part that is missing, such as "The body", and the limit in seconds."""
        super().__init__(f"{part} did not arrive within {limit_s:g} s.", limit_s=limit_s)


class UnsupportedMediaType(InvalidInput):
    """The body is not JSON in UTF-8: also what keeps a foreign page's form from posting here."""

    code = "UNSUPPORTED_MEDIA_TYPE"

    def __init__(self) -> None:
        """Write the sentence."""
        super().__init__("Send the body as JSON in UTF-8, with the header content-type: application/json.")


class NotAcceptable(InvalidInput):
    """The client accepts none of the types we write."""

    code = "NOT_ACCEPTABLE"

    def __init__(self) -> None:
        """Write the sentence."""
        super().__init__("Accept application/graphql-response+json or application/json.")


class MethodNotAllowed(InvalidInput):
    """The path does not know the method, or a mutation came by GET."""

    code = "METHOD_NOT_ALLOWED"

    def __init__(self, *allowed: str) -> None:
        """Name the methods that are allowed."""
        super().__init__(f"Use {' or '.join(allowed)} here.")
        self.allowed = allowed


class NoSuchPath(InvalidInput):
    """Nothing answers at this path."""

    code = "NOT_FOUND"

    def __init__(self) -> None:
        """Write the sentence."""
        super().__init__("Nothing answers at this path.")


class QueueFull(Unavailable):
    """As many commands wait as may: 1,000 of a tenant, 50,000 for a module."""

    code = "QUEUE_FULL"
    sentence = "{module} does not answer at the moment, and no further command can wait for it."


class UnknownHost(InvalidInput):
    """The request names a host that isn't ours."""

    code = "UNKNOWN_HOST"

    def __init__(self) -> None:
        """Write the sentence."""
        super().__init__("Nothing answers under this name.")


class ForeignPage(Denied):
    """A page asks with the token of a tenant that doesn't let it in, but others do."""

    code = "ORIGIN_NOT_ALLOWED"

    def __init__(self) -> None:
        """Write the sentence."""
        super().__init__("This page may not be used with this company's data.")


class PlanHidden(Forbidden):
    """Which modules answer an operation is told to who may read plans."""

    def __init__(self) -> None:
        """Write the sentence, which GraphiQL shows in the plan's place."""
        super().__init__("The plan is not shown to you: it takes a role with the permission gateway.plan.read.")


class RateExceeded(InvalidInput):
    """One user, or one tenant, asked too often or too much in this minute."""

    code = "RATE_LIMITED"

    def __init__(self, *, retry_after_ms: int) -> None:
        """Say when it is worth asking again."""
        super().__init__("Too much was asked in a minute: go on a little later.", retry_after_ms=retry_after_ms)
        self.retry_after_ms = retry_after_ms


class LimitExceeded(InvalidInput):
    """The operation holds more than is allowed. The code names the limit: DEPTH_LIMIT, ALIASES_LIMIT, ..."""

    def __init__(self, what: str, limit: int) -> None:
        """Name what there is too much of, and the limit."""
        super().__init__(f"The operation exceeds the limit of {limit} for {what}.", limit=limit)
        self.code = f"{what.upper().replace(' ', '_')}_LIMIT"
