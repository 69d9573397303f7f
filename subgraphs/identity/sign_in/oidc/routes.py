"""The two steps of a sign-in at a tenant's provider: to it, and back (contracts.md, "Sign-in")."""

import hashlib
import hmac
import re
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import structlog

from shared.errors import MewayzError
from shared.module.http import HttpAnswer, HttpRequest, route
from shared.wire.principal import system
from subgraphs.identity.models import IdentityProvider, Tenant, TenantStatus
from subgraphs.identity.sign_in.answers import NO_STORE, begin, peer_of, refused, store_of, too_many
from subgraphs.identity.sign_in.limits import guesses
from subgraphs.identity.sign_in.oidc.account import account_of
from subgraphs.identity.sign_in.oidc.provider import Client, NotBelieved
from subgraphs.identity.sign_in.store import Flow

COOKIE = "mewayz_oidc"
_PATH = re.compile(r"/auth/oidc/([a-z0-9-]{1,63})/(?:start|callback)")
_RETURN = re.compile(r"/(?![/\\])[\x21-\x22\x24-\x5b\x5d-\x7e]{0,500}")  # a path of ours: no other host, no fragment
_COOKIE_S = 600

log = structlog.get_logger()


@route("GET", "/auth/oidc/*")
async def oidc(request: HttpRequest) -> HttpAnswer:
    """Send a browser to the provider, or take it back; every refusal is the one of sign-in."""
    found = _PATH.fullmatch(request.path)
    if found is None:
        return refused(request)
    try:
        return await (_start if request.path.endswith("/start") else _callback)(request, found[1])
    except MewayzError as error:
        log.info("provider_refused", tenant=found[1], code=error.code, facts=error.facts, error=error.message)
        return refused(request)


async def _start(request: HttpRequest, tenant: str) -> HttpAnswer:
    if wait_s := guesses().flow_locked_for_s(peer_of(request)):
        return too_many(request, wait_s)
    asked = _query(request)
    back = asked.get("return")
    if back is not None and not _RETURN.fullmatch(back):
        return refused(request)
    async with store_of(request) as store:
        tenant_id = await store.tenant_named(tenant)
    provider = await _provider(request, tenant_id)
    client = _client(request, provider, tenant)
    metadata = await client.discover()
    state, nonce, verifier, browser = (secrets.token_urlsafe(32) for _ in range(4))
    flow = Flow(provider.tenant_id, nonce, verifier, _hash(browser), back)
    async with store_of(request) as store:
        await store.keep_flow(state, flow)
    target = client.question(metadata, state=state, nonce=nonce, verifier=verifier)
    return HttpAnswer(303, None, {"location": target, "set-cookie": _cookie(request, browser), **NO_STORE})


async def _callback(request: HttpRequest, tenant: str) -> HttpAnswer:
    asked = _query(request)
    if not asked.get("code") or not asked.get("state"):
        return refused(request)
    async with store_of(request) as store:
        flow = await store.take_flow(asked["state"])
    # Only the browser that began may end it: nobody is signed in to a stranger's account by a link.
    if flow is None or not hmac.compare_digest(_hash(_browser(request)), flow.browser_hash):
        return refused(request)
    provider = await _provider(request, flow.tenant_id)
    client = _client(request, provider, tenant)
    if asked.get("iss", client.issuer) != client.issuer:  # RFC 9207: another provider's answer
        raise NotBelieved("the answer is another provider's")
    metadata = await client.discover()
    token = await client.redeem(metadata, asked["code"], verifier=flow.verifier)
    claims = await client.verify(metadata, token, nonce=flow.nonce)
    async with request.database.transaction(system(flow.tenant_id)) as tx:
        user_id = (await account_of(tx, provider, claims)).id
    async with store_of(request) as store:
        person = await store.person(user_id=user_id)
    assert person is not None, "every account's person is in the register"
    answer = await begin(request, person, str(flow.tenant_id), vouched_by=provider.issuer)
    headers = {**answer.headers, "set-cookie": _cookie(request, "", seconds=0)}
    if answer.status == 200 and flow.return_to is not None:
        # The fragment stays in the browser; the page there refreshes at once, which uses the token up.
        location = f"{flow.return_to}#refreshToken={answer.body['refreshToken']}"
        return HttpAnswer(303, None, {**headers, "location": location})
    return HttpAnswer(answer.status, answer.body, headers)


async def _provider(request: HttpRequest, tenant_id: UUID | None) -> IdentityProvider:
    """Return a tenant's provider. Raises NotBelieved where there is no such tenant, or it has none."""
    if tenant_id is None:
        raise NotBelieved("no such tenant")
    async with request.database.transaction(system(tenant_id)) as tx:
        is_active = (Tenant.id == tenant_id, Tenant.status == TenantStatus.ACTIVE)
        provider = await tx.first_where(IdentityProvider, IdentityProvider.active)
        if provider is None or await tx.first_where(Tenant, *is_active) is None:
            raise NotBelieved("the tenant has no provider")
        return provider


def _client(request: HttpRequest, provider: IdentityProvider, tenant: str) -> Client:
    own = request.bootstrap.issuer
    return Client(
        issuer=provider.issuer,
        id=provider.client_id,
        secret=provider.client_secret,
        redirect_uri=f"{own}/auth/oidc/{tenant}/callback",
        is_near=urlsplit(own).hostname in ("localhost", "127.0.0.1"),  # development: we are on this machine ourselves
    )


def _query(request: HttpRequest) -> dict[str, str]:
    """Return the parameters; one that comes twice counts for nothing."""
    found = parse_qs(request.query, max_num_fields=20)
    return {name: values[0] for name, values in found.items() if len(values) == 1}


def _cookie(request: HttpRequest, value: str, *, seconds: int = _COOKIE_S) -> str:
    secure = "; Secure" if request.bootstrap.issuer.startswith("https:") else ""
    return f"{COOKIE}={value}; Path=/auth/oidc/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"


def _browser(request: HttpRequest) -> str:
    try:
        sent = SimpleCookie(request.headers.get("cookie", ""))
    except CookieError:
        return ""
    return sent[COOKIE].value if COOKIE in sent else ""


def _hash(value: str) -> bytes:
    return hashlib.sha256(value.encode()).digest()
