"""Tokens that were changed anywhere are refused, and no token breaks what reads it (threats 11 and 12)."""

import base64
import hashlib
import hmac
import json
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.clock import SystemClock
from shared.errors import Unauthenticated
from shared.wire.principal import Principal
from shared.wire.token import (
    Once,
    SigningKey,
    public_bytes,
    sign_access,
    sign_actor,
    sign_internal,
    verify_access,
    verify_internal,
)


class StandingClock:
    """The instant at which the tokens below are made, whenever a test runs."""

    def __init__(self) -> None:
        self._at = SystemClock().now()

    def now(self) -> datetime:
        return self._at


CLOCK = StandingClock()
KEY, OTHER = SigningKey.generate(), SigningKey.generate()
KEYS = {KEY.kid: KEY.public, OTHER.kid: OTHER.public}
WHO = Principal(tenant=UUID(int=1), user=UUID(int=2), session=UUID(int=3), permissions=("crm.*",))
BODY = b"{}"
ACCESS = sign_access(KEY, WHO, issuer="x", roles=(), plan="FREE", now=CLOCK.now(), life=timedelta(hours=1))
INTERNAL = sign_internal(KEY, WHO, audience="crm", body=BODY, deadline=2**33, via="router", clock=CLOCK)
ACTOR = sign_actor(KEY, WHO, body=BODY, expires=CLOCK.now() + timedelta(hours=1), clock=CLOCK)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_NAMES = st.sampled_from(
    ["iss", "sub", "aud", "tid", "sid", "exp", "iat", "perms", "mods", "emp", "team", "op", "dl", "via"]
)


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _accepted(token: str) -> list[Principal]:
    """Return who the gateway, and who a module, takes the holder for: nobody, or a refusal that they know."""
    found: list[Principal] = []
    for verify in (
        lambda: verify_access(token, KEYS, clock=CLOCK)[0],
        lambda: verify_internal(token, KEYS, audience="crm", body=BODY, clock=CLOCK).principal,
    ):
        try:
            found.append(verify())
        except Unauthenticated:
            continue
    return found


def test_what_was_signed_is_accepted_where_it_belongs_alone() -> None:
    assert _accepted(ACCESS) == [
        Principal(tenant=WHO.tenant, user=WHO.user, session=WHO.session, permissions=WHO.permissions, plan="FREE")
    ]
    assert _accepted(INTERNAL) == [WHO]
    assert _accepted(ACTOR) == []


@settings(max_examples=200, deadline=None)
@given(token=st.text(max_size=200) | st.from_regex(r"[\w-]{0,40}\.[\w-]{0,80}\.[\w-]{0,90}", fullmatch=True))
def test_noise_is_refused(token: str) -> None:
    assert _accepted(token) == []


@settings(max_examples=200, deadline=None)
@given(of=st.sampled_from([ACCESS, INTERNAL]), place=st.integers(0, 10_000), letter=st.sampled_from("AQgw_-9.="))
def test_a_changed_letter_is_refused(of: str, place: int, letter: str) -> None:
    place %= len(of)
    changed = of[:place] + letter + of[place + 1 :]
    last = place == len(of) - 1  # of the last letter of a signature only two bits count
    if changed != of and not last:
        assert _accepted(changed) == []


@settings(max_examples=200, deadline=None)
@given(
    of=st.sampled_from([ACCESS, INTERNAL]),
    claims=st.dictionaries(_NAMES, _JSON, max_size=4),
    head=st.dictionaries(st.sampled_from(["alg", "kid", "typ", "jku", "x5u", "jwk", "crit", "b64"]), _JSON, max_size=3),
)
def test_other_claims_under_an_old_signature_are_refused(of: str, claims: dict[str, Any], head: dict[str, Any]) -> None:
    header, payload, signature = of.split(".")
    read = jwt.get_unverified_header(of)
    told = jwt.decode(of, options={"verify_signature": False})
    changed = f"{_part({**read, **head})}.{_part({**told, **claims})}.{signature}"
    if {**told, **claims} != told or {**read, **head} != read:
        assert _accepted(changed) == []
    assert _accepted(f"{header}.{payload}.") == []


@settings(max_examples=100, deadline=None)
@given(
    algorithm=st.sampled_from(
        ["none", "None", "NONE", "nOnE", "HS256", "HS512", "RS256", "ES256", "EdDSA", "eddsa", ""]
    ),
    secret=st.sampled_from([b"", public_bytes(KEY.public), b"secret"]),
)
def test_another_algorithm_is_refused(algorithm: str, secret: bytes) -> None:
    _, payload, _ = ACCESS.split(".")
    signed = f"{_part({'alg': algorithm, 'kid': KEY.kid, 'typ': 'JWT'})}.{payload}"
    digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    signature = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    assert _accepted(f"{signed}.{signature}") == []
    assert _accepted(f"{signed}.") == []


@pytest.mark.parametrize(
    "kid", [pytest.param(OTHER.kid, id="another"), "", "0" * 16, "../../etc/passwd", "' or 1=1 --", None, 7, [], {}]
)
def test_another_key_is_refused(kid: Any) -> None:
    """Swapped keys: signed by one, said to be by another."""
    claims = jwt.decode(ACCESS, options={"verify_signature": False})
    _, payload, signature = ACCESS.split(".")

    assert _accepted(f"{_part({'alg': 'EdDSA', 'kid': kid})}.{payload}.{signature}") == []
    assert _accepted(jwt.encode(claims, OTHER.private, "EdDSA", headers={"kid": KEY.kid})) == []


@settings(max_examples=200, deadline=None)
@given(claims=st.dictionaries(_NAMES, _JSON, max_size=6))
@example(claims={"iat": -6.776804060974081e16})
def test_even_a_right_signature_over_nonsense_breaks_nothing_but_itself(claims: dict[str, Any]) -> None:
    """It counts as no token at all."""
    token = jwt.encode({"x": 1}, KEY.private, "EdDSA", headers={"kid": KEY.kid}).rsplit(".", 1)[0]
    head = token.split(".")[0]
    told = {**jwt.decode(ACCESS, options={"verify_signature": False}), **claims}
    signed = f"{head}.{_part(told)}"
    signature = base64.urlsafe_b64encode(KEY.private.sign(signed.encode())).rstrip(b"=").decode()
    with suppress(Unauthenticated):
        verify_access(f"{signed}.{signature}", KEYS, clock=CLOCK)


def test_an_internal_token_counts_once_while_it_counts_at_all() -> None:
    """Threat 11"""
    now = [0.0]
    once = Once(lambda: now[0])
    token = verify_internal(INTERNAL, KEYS, audience="crm", body=BODY, clock=CLOCK)
    once.must_be_new(token)

    for passed in (0, 20, 34, 40.1, 45):  # it ends after 30 s, and 5 s of leeway
        now[0] = passed
        with pytest.raises(Unauthenticated):
            once.must_be_new(token)
    for passed in (90, 140):
        now[0] = passed
        once.must_be_new(msgspec.structs.replace(token, id=f"another {passed}"))
    assert len(once._seen | once._seen_before) == 2, "what is over is forgotten"
