"""What the supervisor tells of an export: `mewayz privacy export` leaves a request behind."""

from uuid import UUID

import msgspec

from shared.errors import InvalidInput
from shared.module.http import HttpAnswer, HttpRequest, route
from shared.wire.principal import system
from subgraphs.privacy.models import PrivacyRequest, PrivacyRequestKind


class HandedOver(msgspec.Struct, rename="camel"):
    """POST /privacy/handed-over: whose data, of how many modules."""

    tenant: UUID
    subject_email: str
    subject_ids: tuple[UUID, ...]
    modules: int


@route("POST", "/privacy/handed-over")
async def handed_over(request: HttpRequest) -> HttpAnswer:
    """Keep that a person's data was handed over, for the supervisor alone."""
    if request.token.via != "supervisor":  # nobody else can tell that this path exists
        return HttpAnswer(404, {"errors": [{"message": "There is nothing here.", "extensions": {"code": "NOT_FOUND"}}]})
    try:
        told = msgspec.json.decode(request.body, type=HandedOver)
    except msgspec.MsgspecError as error:
        raise InvalidInput(f"The request body is not what {request.path} takes: {error}.") from error
    async with request.database.transaction(system(told.tenant)) as tx:
        row = PrivacyRequest(
            reference=f"PR-{tx.now():%Y%m%d-%H%M%S-%f}",
            kind=PrivacyRequestKind.ACCESS,
            subject_email=told.subject_email,
            subject_ids=told.subject_ids,
        )
        row.receive(tx.now())
        tx.add(row)
        tx.publish(row.hand_over(tx.now(), told.modules))
        return HttpAnswer(200, {"id": str(row.id), "reference": row.reference})
