"""What the routes of sign-in share: reading requests, beginning sessions, answers and refusals (contracts.md, "Sign-in")."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from shared.errors import InvalidInput
from shared.language import Phrase, sentence, wished_locale
from shared.module.http import HttpAnswer, HttpRequest
from shared.wire.envelope import Event
from shared.wire.principal import Principal
from shared.wire.token import ACCESS_TOKEN_LIFE, sign_access
from subgraphs.identity.events import SessionIssued
from subgraphs.identity.sign_in.admission import Admission, Device, admit
from subgraphs.identity.sign_in.keys import KeyRing, key_ring
from subgraphs.identity.sign_in.store import Person, Place, Store, open_store

T = TypeVar("T", bound=msgspec.Struct)
NO_STORE = {"cache-control": "no-store"}
_REFUSED = Phrase("Sign-in was refused: check what you entered, or sign in again.")
_TOO_MANY = Phrase("Too many attempts: wait, then try again.")


async def begin(
    request: HttpRequest, person: Person, wanted: str | None, *, vouched_by: str | None = None
) -> HttpAnswer:
    """Begin a session in the tenant that is wanted, else the last used, else the first by slug that lets them in.

    `vouched_by`: the tenant's own provider answers for the person, and for no other tenant. Refused where the person's password
    was replaced since it was checked: all sessions that it opened have ended.
    """
    ring, vouched = await key_ring_of(request), vouched_by is not None
    async with store_of(request) as store:
        if not vouched and not await store.still_has(person):
            return refused(request)
        places = await store.places(person.user_id)
        has_factor = await store.second_factor(person.user_id).is_active()
        wished = [place for place in places if wanted is None or place.is_named(wanted)]
        for place in sorted(wished, key=lambda place: place.id != person.last_tenant_id):
            family, token = await store.begin_family(person.user_id, place.id, vouched=vouched)
            admission = await admit(request.database, family, device=device_of(request), has_factor=has_factor)
            if admission:
                if vouched_by is not None:
                    issued = SessionIssued(session_id=family.id, user_id=person.user_id, issued_to=vouched_by)
                    await tell(request, person.user_id, [place], issued)
                return answer(request, ring, admission, token, place, [place] if vouched else places)
            await store.end_family(family.id)
    return refused(request)


async def tell(request: HttpRequest, user_id: UUID, places: Sequence[Place], fact: Event) -> None:
    """Let a fact of sign-in be known in tenants of the person it is about."""
    for place in places:
        who = Principal(tenant=place.id, user=user_id, address=peer_of(request) or None)
        async with request.database.transaction(who) as tx:
            tx.publish(fact)


async def challenge(request: HttpRequest, person: Person, wanted: str | None) -> HttpAnswer:
    """Ask a person who gave their password for a code, where they have a second factor; else begin the session."""
    async with store_of(request) as store:
        has_factor = await store.second_factor(person.user_id).is_active()
        if has_factor:
            places = await store.places(person.user_id)
            wished = next((place.id for place in places if wanted is not None and place.is_named(wanted)), None)
            if places and (wanted is None or wished) and await store.still_has(person):
                return HttpAnswer(200, {"mfaToken": await store.offer_code(person.user_id, wished)}, NO_STORE)
            return refused(request)
    return await begin(request, person, wanted)


async def key_ring_of(request: HttpRequest) -> KeyRing:
    """Return the keys of access tokens as they are now."""
    return await key_ring(request.extras["identity_login"], request.clock.now())


def answer(
    request: HttpRequest,
    ring: KeyRing,
    admission: Admission,
    refresh_token: str | None,
    here: Place,
    places: list[Place],
) -> HttpAnswer:
    """Return the one 200 of all ways to sign in."""
    body = {
        "accessToken": access_token(request, ring, admission),
        "tokenType": "Bearer",
        "expiresIn": int(ACCESS_TOKEN_LIFE / timedelta(seconds=1)),
        "tenant": _shown(here),
        "tenants": [_shown(place) for place in places],
    }
    return HttpAnswer(200, {**body, "refreshToken": refresh_token} if refresh_token else body, NO_STORE)


def access_token(request: HttpRequest, ring: KeyRing, admission: Admission, *, until: datetime | None = None) -> str:
    """Sign an access token of ten minutes, or of less where it must not outlive `until`."""
    left = ACCESS_TOKEN_LIFE if until is None else min(ACCESS_TOKEN_LIFE, until - admission.at)
    return sign_access(
        ring.signing(request.clock.now()),
        admission.principal,
        issuer=request.bootstrap.issuer,
        roles=admission.roles,
        plan=admission.plan,
        now=admission.at,
        life=left,
    )


def _shown(place: Place) -> dict[str, str]:
    return {"id": str(place.id), "slug": place.slug, "name": place.name}


def refused(request: HttpRequest) -> HttpAnswer:
    """Return the one refusal: it tells no cause."""
    return HttpAnswer(401, _error(request, _REFUSED, "UNAUTHENTICATED"), NO_STORE)


def too_many(request: HttpRequest, wait_s: int) -> HttpAnswer:
    """Return the refusal of somebody who must wait, in seconds."""
    return HttpAnswer(429, _error(request, _TOO_MANY, "TOO_MANY_ATTEMPTS"), {"retry-after": str(wait_s), **NO_STORE})


def nothing() -> HttpAnswer:
    """Answer as a path that is not there."""
    return HttpAnswer(404, {"errors": [{"message": "There is nothing here.", "extensions": {"code": "NOT_FOUND"}}]})


def read(request: HttpRequest, kind: type[T]) -> T:
    """Return the JSON body. Raises InvalidInput."""
    try:
        found = msgspec.json.decode(request.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput(f"The request body is not what {request.path} takes: {error}.") from error
    if any("\0" in value for value in msgspec.structs.astuple(found) if isinstance(value, str)):
        raise InvalidInput("No text can hold the character NUL (U+0000).")
    return found


def store_of(request: HttpRequest) -> AbstractAsyncContextManager[Store]:
    """Open a transaction of sign-in's own role; see `open_store`."""
    return open_store(request.extras["identity_login"], request.clock.now())


def peer_of(request: HttpRequest) -> str:
    """Return the client's address, as the gateway saw it."""
    return request.headers.get("x-forwarded-for", "")


def device_of(request: HttpRequest) -> Device:
    """Return where a sign-in comes from."""
    return Device(request.headers.get("user-agent", "")[:200] or None, peer_of(request)[:64] or None)


def _error(request: HttpRequest, words: Phrase, code: str) -> dict[str, Any]:
    """Return an error in the language that the client asks for: nobody has signed in whose language were known."""
    message = sentence(
        words.template, words.facts, wished_locale(request.headers.get("accept-language", "")), "identity"
    )
    return {"errors": [{"message": message, "extensions": {"code": code}}]}
