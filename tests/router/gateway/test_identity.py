"""Who is asking (contracts.md, "Sign-in"; threats 9, 11 and 12): nothing runs without a verified token."""

import base64
import hashlib
import hmac
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest

from shared.clock import SystemClock
from shared.wire.token import SigningKey, public_bytes
from tests.router.gateway.world import OTHER_TENANT, TENANT, USER, World, world

pytestmark = pytest.mark.anyio


def _forged(world: World) -> dict[str, str]:
    """Return tokens that must not be accepted, by what is wrong with them."""
    good = world.token()
    head, payload, signature = good.split(".")
    claims = jwt.decode(good, options={"verify_signature": False})
    key = world.identity_key
    private = key.private
    kid = {"kid": key.kid}

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()

    def hmac_signed(secret: bytes) -> str:
        signed = f"{part({'alg': 'HS256', 'typ': 'JWT', **kid})}.{payload}"
        digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"

    def signed(changes: dict[str, Any], headers: dict[str, Any] = kid) -> str:
        kept = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return jwt.encode(kept, private, algorithm="EdDSA", headers=headers)

    now = int(SystemClock().now().timestamp())
    return {
        "expired": world.token(life=timedelta(seconds=-60)),
        "another key under the known kid": jwt.encode(
            claims, SigningKey.generate().private, algorithm="EdDSA", headers=kid
        ),
        "an unknown key": world.token(key=SigningKey.generate()),
        "the router's own key": world.token(key=world.router_key),
        "alg none": f"{part({'alg': 'none', **kid})}.{payload}.",
        "alg none, old signature": f"{part({'alg': 'none', **kid})}.{payload}.{signature}",
        "HS256 with the public key": hmac_signed(public_bytes(key.public)),
        "HS256 with an empty key": hmac_signed(b""),
        "no signature": f"{head}.{payload}.",
        "another signature": f"{head}.{payload}.{'A' * len(signature)}",
        "another payload": f"{head}.{part({**claims, 'tid': str(OTHER_TENANT)})}.{signature}",
        "no kid": signed({}, {}),
        "a kid that is a path": signed({}, {"kid": "../../dev/null"}),
        "a kid that is a number": f"{part({'alg': 'EdDSA', 'kid': 7})}.{payload}.{signature}",
        "another audience": signed({"aud": "crm"}),
        "no audience": signed({"aud": None}),
        "no expiry": signed({"exp": None}),
        "issued in the future": signed({"iat": now + 600}),
        "no tenant": world.token(None),
        "a tenant that is no UUID": signed({"tid": "lumen"}),
        "no tenant claim": signed({"tid": None}),
        "no permissions claim": signed({"perms": None}),
        "an expiry that is a word": signed({"exp": "never"}),
        "not a token": "abc",
        "two parts": "a.b",
        "empty parts": "..",
        "not ASCII": "é.é.é",
        "very long": "a" * 8000,
    }


async def test_no_token_or_a_wrong_one_is_401_with_one_wording_and_nothing_runs(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        wrong = _forged(made)

        answers = {
            what: await made.graphql('mutation { rename(name: "x") }', token=token) for what, token in wrong.items()
        }
        answers["no token"] = await made.graphql("{ tenant }", token=None)
        answers["another scheme"] = await made.graphql(
            "{ tenant }", token=None, headers={"authorization": f"Basic {made.token()}"}
        )
        answers["introspection"] = await made.graphql("{ __schema { types { name } } }", token=None)
        answers["__typename"] = await made.graphql("{ __typename }", token=None)

        assert {what: status for what, (status, _) in answers.items() if status != 401} == {}
        bodies = {orjson.dumps(body) for _, body in answers.values()}
        message = "Sign in to continue: the token is missing, expired or not accepted."
        assert bodies == {orjson.dumps({"errors": [{"message": message, "extensions": {"code": "UNAUTHENTICATED"}}]})}
        assert made.crm.tokens == []
        assert made.crm.done == []


async def test_the_module_gets_the_callers_principal_in_a_token_of_its_own(tmp_path: Path) -> None:
    async with world(tmp_path, module_timeout_s=20.0) as made:
        await made.start()

        asked_at = SystemClock().now().timestamp()
        status, body = await made.graphql("{ tenant }")
        answered_at = SystemClock().now().timestamp()

        assert (status, body) == (200, {"data": {"tenant": str(TENANT)}})
        (token,) = made.crm.tokens
        assert (token.principal.tenant, token.principal.user, token.via) == (TENANT, USER, "router")
        assert asked_at < token.deadline - made.settings.module_timeout_s < answered_at


async def test_the_tenant_comes_from_the_token_whatever_else_names_one(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        headers = {"x-tenant-id": str(OTHER_TENANT), "tenantid": str(OTHER_TENANT), "x-mewayz-tenant": "harbour"}

        _, body = await made.graphql("{ tenant }", {"tenantId": str(OTHER_TENANT)}, headers=headers)

        assert body == {"data": {"tenant": str(TENANT)}}
        assert not made.crm.headers[0].keys() & {name.encode() for name in headers}


async def test_client_headers_stay_outside_and_the_trace_goes_on(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

        await made.graphql("{ tenant }", headers={"cookie": "a=b", "x-forwarded-for": "9.9.9.9", "traceparent": trace})

        (headers,) = made.crm.headers
        assert headers.keys() == {
            b"host", b"content-length", b"content-type", b"accept", b"traceparent", b"authorization"
        }  # fmt: skip
        assert headers[b"traceparent"].startswith(b"00-0af7651916cd43dd8448eb211c80319c-")
        assert b"b7ad6b7169203331" not in headers[b"traceparent"]


async def test_keys_are_kept_so_that_a_router_starts_with_identity_down(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        assert (await made.graphql("{ tenant }"))[0] == 200
        await made.stop("gateway")
        await made.stop("identity")

        await made.start_gateway()

        assert (await made.graphql("{ tenant }"))[0] == 200
        assert (await made.graphql("{ tenant }", token=made.token(key=SigningKey.generate())))[0] == 401
        published = await made.get("/.well-known/jwks.json")
        assert (published.status, published.body) == (200, made.jwks())


async def test_a_new_key_is_fetched_when_its_first_token_comes_and_old_ones_end(tmp_path: Path) -> None:
    async with world(tmp_path, unknown_key_pause_s=0) as made:
        await made.start()
        old = made.token()
        assert (await made.graphql("{ tenant }", token=old))[0] == 200

        made.identity_key = SigningKey.generate()
        status, _ = await made.graphql("{ tenant }", token=made.token())

        assert status == 200
        assert (await made.graphql("{ tenant }", token=old))[0] == 401
