"""What the gateway asks of identity before a command that waited is executed: what its caller may now (events.md, D)."""

import msgspec

from shared.module.http import HttpAnswer, HttpRequest, route
from subgraphs.identity.sign_in import admission


@route("POST", "/auth/standing")
async def standing(request: HttpRequest) -> HttpAnswer:
    """Answer with the principal of the request's token as it would be signed in now; 403 where it would not be.

    The gateway does not forward this path: it comes with a token of a tenant and a user, which the gateway alone signs.
    """
    sent = request.token.principal
    if sent.tenant is None or sent.user is None:
        return HttpAnswer(404, {"errors": [{"message": "There is nothing here.", "extensions": {"code": "NOT_FOUND"}}]})
    found = await admission.standing(request.database, sent.user, sent.tenant, sent.session)
    return HttpAnswer(200, msgspec.to_builtins(found)) if found else HttpAnswer(403)
