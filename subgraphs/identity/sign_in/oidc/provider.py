"""What is asked of a provider, and what of its answers is believed (OpenID Connect Core 1.0, Discovery 1.0)."""

import base64
import hashlib
import hmac
from typing import Any, TypeVar
from urllib.parse import quote_plus, urlencode

import jwt
import msgspec

from shared.errors import Denied
from shared.outgoing import Reply, check_url, fetch

T = TypeVar("T")
# Signatures by a key pair alone: with HS256 whoever knows the client's secret could sign (Core, 10.1); `none` is no signature.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_LEEWAY_S = 60
_DISCOVERY = "/.well-known/openid-configuration"


class NotBelieved(Denied):
    """A provider's answer is not what it must be; outside it is a refusal like any other."""

    code = "UNAUTHENTICATED"

    def __init__(self, what: str) -> None:
        """Keep `what` is wrong for the log."""
        super().__init__("The provider's answer is not accepted.", what=what)


class Metadata(msgspec.Struct, frozen=True):
    """What a provider says of itself."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class Tokens(msgspec.Struct, frozen=True):
    """A provider's answer to a code."""

    id_token: str


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """We, as the provider knows us; `is_near` allows it to be on this machine: development."""

    issuer: str
    id: str
    secret: str | None
    redirect_uri: str
    is_near: bool

    async def discover(self) -> Metadata:
        """Return what the provider says of itself. Raises NotBelieved or OutsideUnavailable."""
        reply = await fetch(self.issuer.rstrip("/") + _DISCOVERY, allows_loopback=self.is_near)
        found = _read(reply, Metadata)
        if found.issuer != self.issuer:  # Discovery 1.0, 4.3
            raise NotBelieved(f"{self.issuer} says that it is {found.issuer}")
        check_url(found.authorization_endpoint, allows_loopback=self.is_near)
        return found

    def question(self, metadata: Metadata, *, state: str, nonce: str, verifier: str) -> str:
        """Return the address that a browser is sent to."""
        asked = {
            "response_type": "code",
            "scope": "openid email profile",
            "client_id": self.id,
            "redirect_uri": self.redirect_uri,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge(verifier),
            "code_challenge_method": "S256",
        }
        glue = "&" if "?" in metadata.authorization_endpoint else "?"
        return f"{metadata.authorization_endpoint}{glue}{urlencode(asked)}"

    async def redeem(self, metadata: Metadata, code: str, *, verifier: str) -> str:
        """Return the id token that a code stands for. Raises NotBelieved or OutsideUnavailable."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier,
            "client_id": self.id,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self.secret is not None:
            if "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
                pair = f"{quote_plus(self.id)}:{quote_plus(self.secret)}"  # RFC 6749, 2.3.1
                headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
            else:
                form["client_secret"] = self.secret
        body = urlencode(form).encode()
        reply = await fetch(
            metadata.token_endpoint, method="POST", headers=headers, body=body, allows_loopback=self.is_near
        )
        return _read(reply, Tokens).id_token

    async def verify(self, metadata: Metadata, token: str, *, nonce: str) -> dict[str, Any]:
        """Return the claims of an id token that was made for us and this sign-in (Core, 3.1.3.7). Raises NotBelieved."""
        keys = _read(await fetch(metadata.jwks_uri, allows_loopback=self.is_near), dict[str, Any])
        algorithms = [one for one in metadata.id_token_signing_alg_values_supported if one in _ALGORITHMS]
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                _key_of(token, keys),
                algorithms=algorithms,
                audience=self.id,
                issuer=self.issuer,
                leeway=_LEEWAY_S,
                options={"require": ["iss", "sub", "aud", "exp", "iat", "nonce"]},
            )
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise NotBelieved(repr(error)) from error
        if not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
            raise NotBelieved("the nonce is another sign-in's")
        audience = claims["aud"]
        if claims.get("azp", self.id) != self.id or (
            isinstance(audience, list) and audience != [self.id] and "azp" not in claims
        ):
            raise NotBelieved("the token is for several, and not said to be for us")
        return claims


def challenge(verifier: str) -> str:
    """Return the challenge of a PKCE verifier by S256 (RFC 7636)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _key_of(token: str, keys: dict[str, Any]) -> jwt.PyJWK:
    """Return the key that a token names; where the provider has only one, it need not be named."""
    known = [one for one in jwt.PyJWKSet.from_dict(keys).keys if one.public_key_use in (None, "sig")]
    name = jwt.get_unverified_header(token).get("kid")
    found = [one for one in known if one.key_id == name] if name is not None else known
    if len(found) != 1:
        raise NotBelieved(f"there are {len(found)} keys of the name {name!r}")
    return found[0]


def _read(reply: Reply, kind: type[T]) -> T:
    if reply.status != 200:
        raise NotBelieved(f"status {reply.status}")
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NotBelieved(str(error)) from error
