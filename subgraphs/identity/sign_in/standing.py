"""What the gateway alone asks of identity, by paths that it forwards to nobody: who may what now, and who no longer."""

import msgspec

from shared.module.http import HttpAnswer, HttpRequest, route
from shared.wire.pages import AllPages, TenantPages
from shared.wire.revocation import Revocation, Revocations
from subgraphs.identity.revocations import KEPT_FOR
from subgraphs.identity.sign_in import admission, programs
from subgraphs.identity.sign_in.answers import nothing, store_of


@route("POST", "/auth/standing")
async def standing(request: HttpRequest) -> HttpAnswer:
    """Answer with the principal of the request's token as it would be signed in now; 403 where it would not be.

    It is asked before a command that waited is executed (events.md, D), with a token of a tenant and a user.
    """
    sent = request.token.principal
    if sent.tenant is None or sent.user is None:
        return nothing()
    found = await admission.standing(request.database, sent.user, sent.tenant, sent.session)
    if found is None and sent.session is None:  # a program's key stands where a person would
        found = await programs.standing(request.database, sent.user, sent.tenant)
    return HttpAnswer(200, msgspec.to_builtins(found)) if found else HttpAnswer(403)


@route("POST", "/auth/revocations")
async def revocations(request: HttpRequest) -> HttpAnswer:
    """Tell which access tokens don't count though their time isn't over: to a gateway that starts, or was cut off."""
    async with store_of(request) as store:
        kept = await store.revocations(request.clock.now() - KEPT_FOR)
    told = Revocations(revocations=[Revocation(**one) for one in kept])
    return HttpAnswer(200, msgspec.to_builtins(told))


@route("POST", "/auth/origins")
async def pages(request: HttpRequest) -> HttpAnswer:
    """Tell which pages each tenant lets call the API from a browser."""
    async with store_of(request) as store:
        kept = await store.origins()
    told = AllPages(tenants=[TenantPages(**one) for one in kept])
    return HttpAnswer(200, msgspec.to_builtins(told))
