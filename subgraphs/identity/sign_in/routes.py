"""The HTTP face of sign-in: requests in, answers and refusals out, exactly as contracts.md "Sign-in" has them."""

from datetime import timedelta
from typing import Any, TypeVar

import anyio
import msgspec

from shared.clock import new_id
from shared.errors import InvalidInput
from shared.module.http import HttpAnswer, HttpRequest, route
from shared.wire.principal import system
from shared.wire.token import ACCESS_TOKEN_LIFE, jwk, sign_access
from subgraphs.identity.events import SessionIssued
from subgraphs.identity.models.users import folded
from subgraphs.identity.sign_in import passwords
from subgraphs.identity.sign_in.admission import Admission, Device, admit, end_session, is_alive
from subgraphs.identity.sign_in.joining import accept, confirm_reset
from subgraphs.identity.sign_in.keys import KeyRing, key_ring
from subgraphs.identity.sign_in.limits import guesses
from subgraphs.identity.sign_in.programs import admit_program
from subgraphs.identity.sign_in.store import Family, Person, Place, Refused, open_store

T = TypeVar("T")
_JWKS_AGE_S = 300
_RESET_S = 0.1
_REFUSED = {
    "message": "Sign-in was refused: check what you entered, or sign in again.",
    "extensions": {"code": "UNAUTHENTICATED"},
}


class Login(msgspec.Struct):
    """POST /auth/login."""

    email: str
    password: str
    tenant: str | None = None


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
    sent = _read(request, Login)
    account, peer = folded(sent.email), _peer(request)
    if wait_s := guesses().locked_for_s(account, peer):
        return _too_many(wait_s)
    async with _store(request) as store:
        person = await store.person(email=account)
    if not await passwords.is_right(sent.password, person.password_hash if person else None) or person is None:
        guesses().failed(account, peer)
        return _refused()
    guesses().succeeded(account)
    if passwords.is_outdated(person.password_hash or ""):
        new_hash = await passwords.hashed(sent.password)
        async with _store(request) as store:
            await store.set_password(person.user_id, new_hash)
    return await _begin(request, person, sent.tenant)


@route("POST", "/auth/refresh")
async def refresh(request: HttpRequest) -> HttpAnswer:
    """Continue a session; the token sent is used up, and sent again it ends the session (IDN-2)."""
    token, ring = _read(request, Refresh).refresh_token, await _keys(request)
    async with _store(request) as store:
        family = await store.spend(token)
        if family is not None:
            places = await store.places(family.user_id)
            here = next((place for place in places if place.id == family.tenant_id), None)
            admission = await _admit(request, family, here, device=None)
            if admission and here:
                return _answer(request, ring, admission, await store.next_token(family), here, places)
    return await _end(request, token)


@route("POST", "/auth/switch")
async def switch(request: HttpRequest) -> HttpAnswer:
    """Continue a session in another of the person's tenants."""
    sent, ring = _read(request, Switch), await _keys(request)
    try:
        async with _store(request) as store:
            family = await store.spend(sent.refresh_token)
            if family and await is_alive(request.database, family.tenant_id, family.id, family.user_id):
                places = await store.places(family.user_id)
                there = next((place for place in places if place.is_named(sent.tenant)), None)
                admission = await _admit(request, family, there, device=_device(request))
                if admission is None or there is None:
                    raise Refused
                await store.move_family(family, there.id)
                if there.id != family.tenant_id:
                    await end_session(request.database, family.tenant_id, family.id, family.user_id)
                return _answer(request, ring, admission, await store.next_token(family), there, places)
    except Refused:
        return _refused()
    return await _end(request, sent.refresh_token)


@route("POST", "/auth/logout")
async def logout(request: HttpRequest) -> HttpAnswer:
    """End a session."""
    await _end(request, _read(request, Refresh).refresh_token)
    return HttpAnswer(204)


@route("POST", "/auth/invitation")
async def invitation(request: HttpRequest) -> HttpAnswer:
    """Accept an invitation, with a new password or, for those who have one, their own."""
    sent = _read(request, WithPassword)
    try:
        async with _store(request) as store:
            joined = await accept(store, request.database, sent.token, sent.password, _peer(request))
    except Refused:
        return _refused()
    return await _begin(request, joined.person, str(joined.tenant_id)) if joined else _refused()


@route("POST", "/auth/reset")
async def reset(request: HttpRequest) -> HttpAnswer:
    """Leave a letter for a person who forgot their password; the answer is the same for everyone."""
    account = folded(_read(request, Reset).email)
    answered_at = anyio.current_time() + _RESET_S
    if guesses().may_ask_reset(account):
        async with _store(request) as store:
            person = await store.person(email=account)
            if person and await store.places(person.user_id):
                await store.offer_reset(person)
    await anyio.sleep_until(answered_at)  # how long it took tells nothing
    return HttpAnswer(202)


@route("POST", "/auth/reset/confirm")
async def reset_confirm(request: HttpRequest) -> HttpAnswer:
    """Choose a new password by the letter's token; all sessions end."""
    sent = _read(request, WithPassword)
    async with _store(request) as store:
        is_set = await confirm_reset(store, sent.token, sent.password)
    return HttpAnswer(204) if is_set else _refused()


@route("GET", "/.well-known/jwks.json")
async def jwks(request: HttpRequest) -> HttpAnswer:
    """Publish the keys that access tokens are verified by."""
    ring = await _keys(request)
    keys = [jwk(key.public) for key, _ in ring.keys]
    return HttpAnswer(200, {"keys": keys}, {"cache-control": f"public, max-age={_JWKS_AGE_S}"})


@route("POST", "/auth/session")
async def supervisor_session(request: HttpRequest) -> HttpAnswer:
    """Issue a 10-minute session to the supervisor, for `mewayz token`; nobody else can tell that this path exists."""
    if request.token.via != "supervisor":
        return _nothing()
    sent, ring = _read(request, SupervisorSession), await _keys(request)
    async with _store(request) as store:
        if sent.user is not None:
            person = await store.person(email=folded(sent.user))
        else:
            owner = await store.owner_of(sent.tenant)
            person = await store.person(user_id=owner) if owner else None
        places = await store.places(person.user_id) if person else []
    here = next((place for place in places if place.is_named(sent.tenant)), None)
    if person is None or here is None:
        return _refused()
    now = request.clock.now()
    session = Family(new_id(now), person.user_id, here.id, now + ACCESS_TOKEN_LIFE)
    admission = await _admit(request, session, here, device=Device("mewayz token", None))
    if admission:
        async with request.database.transaction(system(here.id)) as tx:
            tx.publish(SessionIssued(session_id=session.id, user_id=person.user_id, issued_to="mewayz token"))
    return _answer(request, ring, admission, None, here, places) if admission else _refused()


@route("POST", "/auth/key")
async def program(request: HttpRequest) -> HttpAnswer:
    """Give the gateway an access token for a program's key (IDN-6); the gateway forwards no client to this path."""
    admission, ring = await admit_program(request.database, _read(request, ProgramKey).key), await _keys(request)
    if admission is None:
        return _refused()
    return HttpAnswer(200, {"accessToken": _access_token(request, ring, admission)}, _NO_STORE)


@route("POST", "/auth/letters")
async def letters(request: HttpRequest) -> HttpAnswer:
    """Show the supervisor the letters that wait to be sent: the mailbox of a machine without mail."""
    if request.token.via != "supervisor":
        return _nothing()
    async with _store(request) as store:
        return HttpAnswer(200, {"letters": await store.letters()})


async def _begin(request: HttpRequest, person: Person, wanted: str | None) -> HttpAnswer:
    """Begin a session in the tenant that is wanted, else the last used, else the first by slug that lets them in."""
    ring = await _keys(request)
    async with _store(request) as store:
        places = await store.places(person.user_id)
        wished = [place for place in places if wanted is None or place.is_named(wanted)]
        for place in sorted(wished, key=lambda place: place.id != person.last_tenant_id):
            family, token = await store.begin_family(person.user_id, place.id)
            admission = await _admit(request, family, place, device=_device(request))
            if admission:
                return _answer(request, ring, admission, token, place, places)
            await store.end_family(family.id)
    return _refused()


async def _admit(
    request: HttpRequest, family: Family, place: Place | None, *, device: Device | None
) -> Admission | None:
    if place is None:
        return None
    return await admit(
        request.database, family.user_id, place.id, session_id=family.id, until=family.expires_at, device=device
    )


async def _end(request: HttpRequest, token: str) -> HttpAnswer:
    async with _store(request) as store:
        ended = await store.end_family_of(token)
    if ended:
        await end_session(request.database, ended.tenant_id, ended.id, ended.user_id)
    return _refused()


async def _keys(request: HttpRequest) -> KeyRing:
    return await key_ring(request.extras["identity_login"], request.clock.now())


def _answer(
    request: HttpRequest,
    ring: KeyRing,
    admission: Admission,
    refresh_token: str | None,
    here: Place,
    places: list[Place],
) -> HttpAnswer:
    body = {
        "accessToken": _access_token(request, ring, admission),
        "tokenType": "Bearer",
        "expiresIn": int(ACCESS_TOKEN_LIFE / timedelta(seconds=1)),
        "tenant": _shown(here),
        "tenants": [_shown(place) for place in places],
    }
    return HttpAnswer(200, {**body, "refreshToken": refresh_token} if refresh_token else body, _NO_STORE)


def _access_token(request: HttpRequest, ring: KeyRing, admission: Admission) -> str:
    return sign_access(
        ring.signing(request.clock.now()),
        admission.principal,
        issuer=request.bootstrap.issuer,
        roles=admission.roles,
        plan=admission.plan,
        clock=request.clock,
    )


_NO_STORE = {"cache-control": "no-store"}


def _shown(place: Place) -> dict[str, str]:
    return {"id": str(place.id), "slug": place.slug, "name": place.name}


def _refused() -> HttpAnswer:
    return HttpAnswer(401, {"errors": [_REFUSED]}, _NO_STORE)


def _too_many(wait_s: int) -> HttpAnswer:
    error = {"message": "Too many attempts: wait, then try again.", "extensions": {"code": "TOO_MANY_ATTEMPTS"}}
    return HttpAnswer(429, {"errors": [error]}, {"retry-after": str(wait_s), **_NO_STORE})


def _nothing() -> HttpAnswer:
    return HttpAnswer(404, {"errors": [{"message": "There is nothing here.", "extensions": {"code": "NOT_FOUND"}}]})


def _read(request: HttpRequest, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(request.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput(f"The request body is not what {request.path} takes: {error}.") from error


def _store(request: HttpRequest) -> Any:
    return open_store(request.extras["identity_login"], request.clock.now())


def _peer(request: HttpRequest) -> str:
    return request.headers.get("x-forwarded-for", "")


def _device(request: HttpRequest) -> Device:
    return Device(request.headers.get("user-agent", "")[:200] or None, _peer(request)[:64] or None)
