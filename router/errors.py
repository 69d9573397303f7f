"""What can go wrong in the router, by what the caller can do about it.

RouterError
├── Refusal           change the request
├── InvalidInput      fix the program
│   ├── BadRequest            not GraphQL over HTTP at all
│   ├── ParseFailed           GRAPHQL_PARSE_FAILED
│   ├── ValidationFailed      GRAPHQL_VALIDATION_FAILED
│   ├── BadVariables          BAD_USER_INPUT
│   ├── UnknownOperation      OPERATION_RESOLUTION_FAILURE
│   ├── InvalidSupergraph     INVALID_SUPERGRAPH
│   └── Unplannable           QUERY_NOT_PLANNABLE
├── Denied            log in, ask for rights
│   ├── Unauthenticated       UNAUTHENTICATED
│   ├── Forbidden             FORBIDDEN
│   └── NotEntitled           NOT_ENTITLED
├── Unavailable       later, or queued
│   ├── ModuleUnavailable     MODULE_UNAVAILABLE
│   ├── Overloaded            OVERLOADED
│   └── DeadlineExceeded      DEADLINE
└── Defect            ours: masked outside, whole in the log
    └── BadAnswer             INTERNAL: a subgraph answered what no subgraph may
"""

from collections.abc import Mapping, Sequence


class RouterError(Exception):
    """The root: a sentence for a person, a stable code, and the facts behind it."""

    code = "INTERNAL"

    def __init__(self, message: str, **facts: object) -> None:
        """Keep the sentence and the facts it was written from."""
        super().__init__(message)
        self.message = message
        self.facts = facts

    def extensions(self) -> dict[str, object]:
        """Return the `extensions` of the GraphQL error: the code, and what a client may act on."""
        return {"code": self.code}

    def formatted(self) -> dict[str, object]:
        """Return this as one entry of a GraphQL response's `errors`."""
        return {"message": self.message, "extensions": self.extensions()}


class Refusal(RouterError):
    """A rule says no; the caller changes the request."""

    code = "VALIDATION"


class InvalidInput(RouterError):
    """The program that called is wrong."""

    code = "BAD_REQUEST"


class Denied(RouterError):
    """The caller is not known, or may not."""

    code = "FORBIDDEN"


class Unavailable(RouterError):
    """Not now: the caller may repeat the request later. `module` names who did not answer."""

    code = "MODULE_UNAVAILABLE"
    sentence = "{module} is unavailable."

    def __init__(self, module: str, *, retry_after_ms: int | None = None, was_sent: bool = False) -> None:
        """Keep which module it was and, if known, in how many milliseconds to try again.

        `was_sent`: it may have acted on the request, which therefore is neither queued nor, without a key, repeated.
        """
        super().__init__(self.sentence.format(module=module), module=module, retry_after_ms=retry_after_ms)
        self.module = module
        self.retry_after_ms = retry_after_ms
        self.was_sent = was_sent

    def extensions(self) -> dict[str, object]:
        """Return code, module and retryAfterMs (contracts: Commands)."""
        shown: dict[str, object] = {"code": self.code, "module": self.module}
        if self.retry_after_ms is not None:
            shown["retryAfterMs"] = self.retry_after_ms
        return shown


class Defect(RouterError):
    """Our fault; outside only an id of the log line is shown."""

    code = "INTERNAL"


class BadRequest(InvalidInput):
    """The request is not GraphQL over HTTP."""


class DocumentError(InvalidInput):
    """The document is wrong at known places. `errors` are ready for a response's `errors`."""

    code = "GRAPHQL_VALIDATION_FAILED"

    def __init__(self, errors: Sequence[Mapping[str, object]]) -> None:
        """Take GraphQL errors as dicts with message and locations; each gets this class's code."""
        super().__init__(str(errors[0]["message"]) if errors else "The document is invalid.")
        self.errors = [{**error, "extensions": self.extensions()} for error in errors]


class ParseFailed(DocumentError):
    """The document is not GraphQL."""

    code = "GRAPHQL_PARSE_FAILED"


class ValidationFailed(DocumentError):
    """The document does not fit the schema."""


class BadVariables(DocumentError):
    """A variable is absent or of the wrong type."""

    code = "BAD_USER_INPUT"


class UnknownOperation(InvalidInput):
    """The document has no operation of that name, or several and none is named."""

    code = "OPERATION_RESOLUTION_FAILURE"

    def __init__(self, name: str | None) -> None:
        """Say which operation was asked for."""
        wanted = f"no operation named {name!r}" if name else "no single operation: name the one to run in operationName"
        super().__init__(f"The document has {wanted}.", name=name)


class InvalidSupergraph(InvalidInput):
    """A supergraph's SDL is not one."""

    code = "INVALID_SUPERGRAPH"


class Unplannable(InvalidInput):
    """A field can be reached in no subgraph: composition would have refused this supergraph."""

    code = "QUERY_NOT_PLANNABLE"

    def __init__(self, coordinate: str, path: str, reasons: Mapping[str, str]) -> None:
        """Name the field, where in the operation it is wanted, and why each subgraph cannot serve it."""
        why = "; ".join(f"{subgraph}: {reason}" for subgraph, reason in reasons.items()) or "no subgraph has it"
        super().__init__(f"{coordinate} cannot be fetched at {path or 'the root'} ({why}).", path=path)


class Unauthenticated(Denied):
    """There is no valid credential."""

    code = "UNAUTHENTICATED"


class Forbidden(Denied):
    """The caller is known and has not the permission."""


class NotEntitled(Denied):
    """The tenant, or the key that is used, has not the module."""

    code = "NOT_ENTITLED"

    def __init__(self, module: str) -> None:
        """Name the module."""
        super().__init__(f"{module} is not among the modules that may be used here.", module=module)
        self.module = module

    def extensions(self) -> dict[str, object]:
        """Return code and module."""
        return {"code": self.code, "module": self.module}


class ModuleUnavailable(Unavailable):
    """The module does not answer: down, stopped, or the connection broke."""

    sentence = "{module} does not answer at the moment."


class Overloaded(Unavailable):
    """Too much at once: the request was not sent."""

    code = "OVERLOADED"
    sentence = "{module} has too much to do at the moment."


class DeadlineExceeded(Unavailable):
    """The time for the request is used up."""

    code = "DEADLINE"
    sentence = "{module} did not answer in the time allowed."


class BadAnswer(Defect):
    """A subgraph answered what is no GraphQL response."""

    def __init__(self, module: str, what: str) -> None:
        """Say who answered what; shown outside without addresses."""
        super().__init__(f"{module} answered {what}.", module=module)
        self.module = module

    def extensions(self) -> dict[str, object]:
        """Return code and module."""
        return {"code": self.code, "module": self.module}
