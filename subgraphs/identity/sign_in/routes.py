"""The HTTP face of sign-in: requests in, answers and refusals out, exactly as contracts.md "Sign-in" has them."""

from collections.abc import Sequence

import anyio
import msgspec

from shared.clock import new_id
from shared.module.http import HttpAnswer, HttpRequest, route
from shared.wire.principal import system
from shared.wire.token import ACCESS_TOKEN_LIFE, jwk
from subgraphs.identity.events import SessionIssued, UserPasswordChanged
from subgraphs.identity.models.users import folded
from subgraphs.identity.sign_in import passwords
from subgraphs.identity.sign_in.admission import Device, admit, is_alive, leave, revoke_sessions
from subgraphs.identity.sign_in.answers import (
    NO_STORE,
    access_token,
    answer,
    begin,
    challenge,
    device_of,
    key_ring_of,
    nothing,
    peer_of,
    read,
    refused,
    store_of,
    tell,
    too_many,
)
from subgraphs.identity.sign_in.joining import accept, confirm_reset
from subgraphs.identity.sign_in.limits import guesses
from subgraphs.identity.sign_in.programs import admit_program
from subgraphs.identity.sign_in.store import Family, Refused

_JWKS_AGE_S = 300
_RESET_S = 0.1


class Login(msgspec.Struct):
    """POST /auth/login."""

    email: str
    password: str
    tenant: str | None = None


class Code(msgspec.Struct, rename="camel"):
    """POST /auth/mfa."""

    mfa_token: str
    code: str


class Refresh(msgspec.Struct, rename="camel"):
    """POST /auth/refresh and /auth/logout."""

    refresh_token: str


class Switch(msgspec.Struct, rename="camel"):
    """POST /auth/switch."""

    refresh_token: str
    tenant: str


class WithPassword(msgspec.Struct):
    """POST /auth/invitation and /auth/reset/confirm."""

    token: str
    password: str


class Reset(msgspec.Struct):
    """POST /auth/reset."""

    email: str


class ProgramKey(msgspec.Struct):
    """POST /auth/key."""

    key: str


class SupervisorSession(msgspec.Struct):
    """POST /auth/session."""

    tenant: str
    user: str | None = None


@route("POST", "/auth/login")
async def login(request: HttpRequest) -> HttpAnswer:
    """Sign in by password (IDN-4)."""
    sent = read(request, Login)
    account, peer = folded(sent.email), peer_of(request)
    with guesses().attempt(account, peer) as wait_s:
        if wait_s:
            return too_many(request, wait_s)
        async with store_of(request) as store:
            person = await store.person(email=account)
        if not await passwords.is_right(sent.password, person.password_hash if person else None) or person is None:
            guesses().failed(account, peer)
            return refused(request)
        guesses().succeeded(account)
    if passwords.is_outdated(person.password_hash or ""):
        new_hash = await passwords.hashed(sent.password)
        async with store_of(request) as store:
            person = await store.renew_hash(person, new_hash)
    return await challenge(request, person, sent.tenant)


@route("POST", "/auth/mfa")
async def second_step(request: HttpRequest) -> HttpAnswer:
    """Finish a sign-in by a code of the authenticator or a recovery code (IDN-5); a wrong one may be tried again."""
    sent, wait_s = read(request, Code), 0
    try:
        async with store_of(request) as store:
            used = await store.use_once(sent.mfa_token, "mfa")
            person = await store.person(user_id=used[0]) if used else None
            if used is None or person is None:
                return refused(request)
            wait_s = guesses().code_locked_for_s(person.user_id)
            if wait_s or not await store.second_factor(person.user_id).spend(sent.code):
                raise Refused
    except Refused:
        return too_many(request, wait_s) if wait_s else refused(request)
    guesses().code_was_right(person.user_id)
    return await begin(request, person, str(used[1]) if used[1] else None)


@route("POST", "/auth/refresh")
async def refresh(request: HttpRequest) -> HttpAnswer:
    """Continue a session; the token sent is used up, and sent again it ends the session (IDN-2)."""
    token, ring = read(request, Refresh).refresh_token, await key_ring_of(request)
    async with store_of(request) as store:
        family = await store.spend(token)
        if family is not None:
            places = await store.places(family.user_id)
            here = next((place for place in places if place.id == family.tenant_id), None)
            has_factor = await store.second_factor(family.user_id).is_active()
            admission = await admit(request.database, family, device=None, has_factor=has_factor) if here else None
            if admission and here:
                shown = [here] if family.vouched else places
                return answer(request, ring, admission, await store.next_token(family), here, shown)
    return await _end(request, token)


@route("POST", "/auth/switch")
async def switch(request: HttpRequest) -> HttpAnswer:
    """Continue a session in another of the person's tenants; one that a tenant's provider opened stays there."""
    sent, ring = read(request, Switch), await key_ring_of(request)
    try:
        async with store_of(request) as store:
            family = await store.spend(sent.refresh_token)
            if family and await is_alive(request.database, family.tenant_id, family.id, family.user_id):
                places = await store.places(family.user_id)
                there = next((place for place in places if place.is_named(sent.tenant)), None)
                if there is None or (family.vouched and there.id != family.tenant_id):
                    raise Refused
                has_factor = await store.second_factor(family.user_id).is_active()
                moved = await store.move_family(family, there.id)
                admission = await admit(request.database, moved, device=device_of(request), has_factor=has_factor)
                if admission is None:
                    raise Refused
                if there.id != family.tenant_id:
                    await leave(request.database, family)
                return answer(request, ring, admission, await store.next_token(family), there, places)
    except Refused:
        return refused(request)
    return await _end(request, sent.refresh_token)


@route("POST", "/auth/logout")
async def logout(request: HttpRequest) -> HttpAnswer:
    """End a session."""
    await _end(request, read(request, Refresh).refresh_token)
    return HttpAnswer(204)


@route("POST", "/auth/invitation")
async def invitation(request: HttpRequest) -> HttpAnswer:
    """Accept an invitation, with a new password or, for those who have one, their own."""
    sent = read(request, WithPassword)
    try:
        async with store_of(request) as store:
            joined = await accept(store, request.database, sent.token, sent.password, peer_of(request))
    except Refused:
        return refused(request)
    return await challenge(request, joined.person, str(joined.tenant_id)) if joined else refused(request)


@route("POST", "/auth/reset")
async def reset(request: HttpRequest) -> HttpAnswer:
    """Leave a letter for a person who forgot their password; the answer is the same for everyone."""
    account = folded(read(request, Reset).email)
    answered_at = anyio.current_time() + _RESET_S
    if guesses().may_ask_reset(account, peer_of(request)):
        async with store_of(request) as store:
            person = await store.person(email=account)
            if person and await store.places(person.user_id):
                await store.offer_reset(person)
    await anyio.sleep_until(answered_at)  # how long it took tells nothing
    return HttpAnswer(202)


@route("POST", "/auth/reset/confirm")
async def reset_confirm(request: HttpRequest) -> HttpAnswer:
    """Choose a new password by the letter's token; all sessions end."""
    sent = read(request, WithPassword)
    async with store_of(request) as store:
        changed = await confirm_reset(store, sent.token, sent.password)
        places = await store.places(changed[0]) if changed else []
    if changed is None:
        return refused(request)
    await _revoke(request, changed[1])
    await tell(request, changed[0], places, UserPasswordChanged(user_id=changed[0]))
    return HttpAnswer(204)


@route("GET", "/.well-known/jwks.json")
async def jwks(request: HttpRequest) -> HttpAnswer:
    """Publish the keys that access tokens are verified by."""
    ring = await key_ring_of(request)
    keys = [jwk(key.public) for key, _ in ring.keys]
    return HttpAnswer(200, {"keys": keys}, {"cache-control": f"public, max-age={_JWKS_AGE_S}"})


@route("POST", "/auth/session")
async def supervisor_session(request: HttpRequest) -> HttpAnswer:
    """Issue a 10-minute session to the supervisor, for `mewayz token`; nobody else can tell that this path exists."""
    if request.token.via != "supervisor":
        return nothing()
    sent, ring = read(request, SupervisorSession), await key_ring_of(request)
    async with store_of(request) as store:
        if sent.user is not None:
            person = await store.person(email=folded(sent.user))
        else:
            owner = await store.owner_of(sent.tenant)
            person = await store.person(user_id=owner) if owner else None
        places = await store.places(person.user_id) if person else []
    here = next((place for place in places if place.is_named(sent.tenant)), None)
    if person is None or here is None:
        return refused(request)
    now = request.clock.now()
    session = Family(new_id(now), person.user_id, here.id, now + ACCESS_TOKEN_LIFE, vouched=True)
    admission = await admit(request.database, session, device=Device("mewayz token", None), has_factor=None)
    if admission:
        async with request.database.transaction(system(here.id)) as tx:
            tx.publish(SessionIssued(session_id=session.id, user_id=person.user_id, issued_to="mewayz token"))
    return answer(request, ring, admission, None, here, places) if admission else refused(request)


@route("POST", "/auth/key")
async def program(request: HttpRequest) -> HttpAnswer:
    """Give the gateway an access token for a program's key (IDN-6); the gateway forwards no client to this path."""
    found, ring = await admit_program(request.database, read(request, ProgramKey).key), await key_ring_of(request)
    if found is None:
        return refused(request)
    token = access_token(request, ring, found.admission, until=found.credential.expires_at)
    facts = {"addresses": found.credential.allowed_addresses, "origins": found.credential.allowed_origins}
    return HttpAnswer(200, {"accessToken": token, **facts}, NO_STORE)


@route("POST", "/auth/letters")
async def letters(request: HttpRequest) -> HttpAnswer:
    """Show the supervisor the letters that wait to be sent: the mailbox of a machine without mail."""
    if request.token.via != "supervisor":
        return nothing()
    async with store_of(request) as store:
        return HttpAnswer(200, {"letters": await store.letters()})


async def _end(request: HttpRequest, token: str) -> HttpAnswer:
    async with store_of(request) as store:
        ended = await store.end_family_of(token)
    await _revoke(request, [ended] if ended else ())
    return refused(request)


async def _revoke(request: HttpRequest, ended: Sequence[Family]) -> None:
    """Let sessions of one person that were ended count no more, wherever they have been."""
    if not ended:
        return
    async with store_of(request) as store:
        places = await store.places(ended[0].user_id)
    await revoke_sessions(request.database, ended, places)
