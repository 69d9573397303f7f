"""Tokens: the user's access token (identity -> gateway) and the internal token (router -> one module). Both EdDSA."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import OKPAlgorithm

from shared.clock import Clock, new_id
from shared.errors import Unauthenticated
from shared.wire.principal import Principal

ACCESS_TOKEN_LIFE = timedelta(minutes=10)
INTERNAL_TOKEN_LIFE = timedelta(seconds=30)
ACCESS_AUDIENCE = "mewayz"
_QUEUE = "queue"
_LEEWAY_S = 5
# What reading claims raises that were signed, and yet are not of the agreed shape: an instant may be beyond all calendars.
_MISSHAPEN = (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError)


class SigningKey:
    """An Ed25519 key with its id; `kid` is derived from the public half, so that rotation needs no register."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        """Wrap a private key."""
        self.private = private
        self.public = private.public_key()
        self.kid = key_id(self.public)

    @classmethod
    def generate(cls) -> "SigningKey":
        """Return a new random key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, raw: bytes) -> "SigningKey":
        """Return the key that `to_bytes` wrote (32 bytes)."""
        return cls(Ed25519PrivateKey.from_private_bytes(raw))

    def to_bytes(self) -> bytes:
        """Return the private half, 32 bytes: a secret."""
        return self.private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


def public_bytes(key: Ed25519PublicKey) -> bytes:
    """Return the 32 bytes of a public key."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def key_id(key: Ed25519PublicKey) -> str:
    """Return the `kid` of a public key: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(public_bytes(key)).hexdigest()[:16]


def body_hash(body: bytes) -> str:
    """Return what the claim `op` holds: the SHA-256 of a request body, so that a token fits one operation only."""
    return hashlib.sha256(body).hexdigest()[:32]


class InternalToken(msgspec.Struct, frozen=True, kw_only=True):
    """What a module learns from a verified internal token."""

    principal: Principal
    via: str
    deadline: float  # seconds since the epoch, real time
    id: str = ""  # `jti`


def sign_internal(
    key: SigningKey, principal: Principal, *, audience: str, body: bytes, deadline: float, via: str, clock: Clock
) -> str:
    """Sign the token that one request to module `audience` carries (contracts.md, "Sign-in").

    `body` is the request's body, `deadline` an instant in seconds since the epoch, `via` who calls (`router`, `supervisor`).
    """
    now = clock.now()
    claims: dict[str, Any] = {
        "iss": "router",
        "aud": audience,
        **_principal_claims(principal),
        "mods": principal.modules,
        "ip": principal.address,
        "via": via,
        "op": body_hash(body),
        "dl": deadline,
        "iat": now,
        "exp": now + INTERNAL_TOKEN_LIFE,
        "jti": str(new_id(now)),
    }
    return jwt.encode(claims, key.private, algorithm="EdDSA", headers={"kid": key.kid})


def verify_internal(
    token: str, keys: Mapping[str, Ed25519PublicKey], *, audience: str, body: bytes, clock: Clock
) -> InternalToken:
    """Return the principal and deadline of a token made for module `audience` and this `body`.

    `keys` maps `kid` to public key; several are held while keys rotate. Raises Unauthenticated for every other token.
    """
    claims = _verified(token, keys, audience=audience, issuer="router", clock=clock)
    if claims.get("op") != body_hash(body):
        raise Unauthenticated("the token belongs to another operation")
    return InternalToken(
        principal=_principal(claims), via=str(claims["via"]), deadline=float(claims["dl"]), id=str(claims["jti"])
    )


class Once:
    """Remembers internal tokens for as long as they count: one that is sent again is refused (security.md, threat 11)."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        """Start with none; `now_s` tells seconds that only grow."""
        self._now_s = now_s
        self._seen: set[str] = set()
        self._seen_before: set[str] = set()
        self._turned_at = now_s()

    def must_be_new(self, token: InternalToken) -> None:
        """Raise Unauthenticated for a token that came before."""
        now = self._now_s()
        if now - self._turned_at > INTERNAL_TOKEN_LIFE.total_seconds() + 2 * _LEEWAY_S:
            self._seen, self._seen_before, self._turned_at = set(), self._seen, now
        if token.id in self._seen or token.id in self._seen_before:
            raise Unauthenticated("the token was used before")
        self._seen.add(token.id)


def sign_actor(key: SigningKey, principal: Principal, *, body: bytes, expires: datetime, clock: Clock) -> str:
    """Sign for whom a command `body` waits in the queue, until `expires`; no module accepts this as a request's token."""
    claims: dict[str, Any] = {
        "iss": "router",
        "aud": _QUEUE,
        **_principal_claims(principal),
        "mods": principal.modules,
        "ip": principal.address,
        "op": body_hash(body),
        "iat": clock.now(),
        "exp": expires,
    }
    return jwt.encode(claims, key.private, algorithm="EdDSA", headers={"kid": key.kid})


def verify_actor(token: str, keys: Mapping[str, Ed25519PublicKey], *, body: bytes, clock: Clock) -> Principal:
    """Return for whom a command waits, as `sign_actor` wrote it. Raises Unauthenticated for every other token."""
    claims = _verified(token, keys, audience=_QUEUE, issuer="router", clock=clock)
    if claims.get("op") != body_hash(body):
        raise Unauthenticated("the token belongs to another command")
    return _principal(claims)


def sign_access(
    key: SigningKey,
    principal: Principal,
    *,
    issuer: str,
    roles: Sequence[str],
    plan: str,
    now: datetime,
    life: timedelta = ACCESS_TOKEN_LIFE,
) -> str:
    """Sign a user's access token: claims `iss sub tid sid roles perms plan locale emp team iat exp`, `mods` where not all.

    `now` is the instant at which the rights were read: a revocation after it is one of this token.
    """
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": ACCESS_AUDIENCE,
        **_principal_claims(principal),
        **({} if principal.modules == ("*",) else {"mods": principal.modules}),
        "roles": list(roles),
        "plan": plan,
        "iat": now.timestamp(),  # to the microsecond: what was revoked in between is told apart
        "exp": now + life,
    }
    return jwt.encode(claims, key.private, algorithm="EdDSA", headers={"kid": key.kid})


def verify_access(
    token: str, keys: Mapping[str, Ed25519PublicKey], *, clock: Clock
) -> tuple[Principal, datetime, datetime]:
    """Return the principal of a user's access token, when it was issued and when it ends. Raises Unauthenticated."""
    try:
        claims = _verified(token, keys, audience=ACCESS_AUDIENCE, issuer=None, clock=clock)
        zone = clock.now().tzinfo
        issued, expires = (datetime.fromtimestamp(claims[name], zone) for name in ("iat", "exp"))
        return _principal(claims), issued, expires
    except _MISSHAPEN as error:
        raise Unauthenticated(repr(error)) from error


def jwk(key: Ed25519PublicKey) -> dict[str, str]:
    """Return a public key as a JSON Web Key (RFC 8037) for `/.well-known/jwks.json`."""
    written: dict[str, str] = OKPAlgorithm.to_jwk(key, as_dict=True)  # pyright: ignore[reportAssignmentType]
    return {**written, "kid": key_id(key), "use": "sig", "alg": "EdDSA"}


def keys_of_jwks(jwks: Mapping[str, Any]) -> dict[str, Ed25519PublicKey]:
    """Return the Ed25519 keys of a JSON Web Key Set by `kid`; other kinds of key are passed over."""
    keys: dict[str, Ed25519PublicKey] = {}
    for entry in jwks.get("keys", ()):
        if entry.get("kty") == "OKP" and entry.get("crv") == "Ed25519":
            key = OKPAlgorithm.from_jwk(entry)
            if isinstance(key, Ed25519PublicKey):
                keys[str(entry["kid"])] = key
    return keys


def _principal_claims(principal: Principal) -> dict[str, Any]:
    return {
        "sub": str(principal.user) if principal.user else "system",
        "tid": _text(principal.tenant),
        "sid": _text(principal.session),
        "perms": principal.permissions,
        "emp": _text(principal.employee),
        "team": [str(member) for member in principal.team],
        "locale": principal.locale,
    }


def _principal(claims: Mapping[str, Any]) -> Principal:
    return Principal(
        tenant=_uuid(claims["tid"]),
        user=None if claims["sub"] == "system" else UUID(claims["sub"]),
        session=_uuid(claims["sid"]),
        permissions=tuple(claims["perms"]),
        modules=tuple(claims.get("mods", ("*",))),
        employee=_uuid(claims["emp"]),
        team=tuple(UUID(member) for member in claims["team"]),
        locale=claims["locale"],
        address=claims.get("ip"),
        plan=claims.get("plan", ""),
    )


def _verified(
    token: str, keys: Mapping[str, Ed25519PublicKey], *, audience: str, issuer: str | None, clock: Clock
) -> dict[str, Any]:
    try:
        key = keys[jwt.get_unverified_header(token)["kid"]]
        # Times are checked against our clock below: PyJWT reads the machine's, which a test clock doesn't move.
        claims = jwt.decode(
            token,
            key,
            algorithms=["EdDSA"],
            audience=audience,
            issuer=issuer,
            options={"verify_exp": False, "verify_iat": False, "require": ["exp", "iat", "sub"]},
        )
    except (KeyError, jwt.InvalidTokenError) as error:
        raise Unauthenticated(str(error)) from error
    now = clock.now().timestamp()
    if not claims["iat"] - _LEEWAY_S <= now < claims["exp"] + _LEEWAY_S:
        raise Unauthenticated("the token is not valid at this time")
    return claims


def _text(value: UUID | None) -> str | None:
    return str(value) if value else None


def _uuid(value: str | None) -> UUID | None:
    return UUID(value) if value else None
