"""Errors as a module shows them: ours in their own words, others masked with a reference to the log."""

from typing import Any

import structlog
from graphql import GraphQLError

from shared.database.faults import is_consequence, is_timeout, is_transient
from shared.errors import Defect, MewayzError, Unavailable

log = structlog.get_logger()


def shown(error: MewayzError, module: str) -> dict[str, Any]:
    """Return an error of ours as a GraphQL error."""
    if isinstance(error, Defect):
        return masked(error, module)
    extensions: dict[str, Any] = {"code": error.code, "module": module}
    if error.code == "FORBIDDEN" and "permission" in error.facts:
        extensions["permission"] = error.facts["permission"]
    return {"message": error.message, "extensions": extensions}


def shown_in_answer(error: GraphQLError, module: str) -> dict[str, Any]:
    """Return an error of an execution with its path; a cause that isn't ours is masked and logged.

    A database that is away is no defect: its caller hears that he may repeat the request. Nor is a field of a query whose
    transaction another field has broken: what broke it is told there.
    """
    cause = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if cause is None or isinstance(cause, GraphQLError):
        answer: dict[str, Any] = {
            "message": error.message,
            "extensions": {"code": "GRAPHQL_VALIDATION_FAILED", "module": module, **(error.extensions or {})},
        }
    elif isinstance(cause, MewayzError):
        answer = shown(cause, module)
    elif is_transient(cause) or is_timeout(cause) or is_consequence(cause):
        log.warning("database_away", module=module, error=str(cause))
        answer = shown(Unavailable(f"The database of {module} doesn't answer: repeat this in a moment."), module)
    else:
        answer = masked(cause, module)
    return {**answer, "path": error.path} if error.path else answer


def masked(error: BaseException, module: str) -> dict[str, Any]:
    """Return what outsiders see of a defect; the whole goes to the log under the same reference."""
    reference = f"{id(error) & 0xFFFFFFFF:08x}"
    log.error("defect", module=module, reference=reference, exc_info=error)
    message = f"Something went wrong in {module}. Reference: {reference}."
    return {"message": message, "extensions": {"code": "INTERNAL", "module": module}}
