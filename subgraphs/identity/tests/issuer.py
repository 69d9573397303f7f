"""An OpenID Connect provider for one test: it checks what a client must send, and can be told to lie."""

import base64
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import anyio
import jwt
import orjson
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CLIENT, SECRET = "mewayz at work", "s3cret & more"
Change = Callable[[dict[str, Any]], None]


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@dataclass
class Issuer:
    """Signs in whoever it is told to; `claims` are in their id token, `changes` what is wrong with it."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict[str, Any])
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    change: Change = lambda _: None
    sign: Callable[[dict[str, Any]], str] | None = None
    key: rsa.RSAPrivateKey = field(default_factory=_key)
    kid: str = "first"
    redirect: str | None = None
    requests: list[str] = field(default_factory=list[str])
    _codes: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    def authorize(self, location: str) -> str:
        """Sign the person in and return where their browser is sent back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        assert location.startswith(f"{self.url}/authorize?")
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(8)
        self._codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.requests.append(scope["path"])
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        status, answer = self._answer(scope["path"], headers, body)
        extra = [(b"location", self.redirect.encode())] if self.redirect else []
        status = 302 if self.redirect else status
        kind = [(b"content-type", b"application/json"), *extra]
        await send({"type": "http.response.start", "status": status, "headers": kind})
        await send({"type": "http.response.body", "body": orjson.dumps(answer)})

    def _answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        if path == "/.well-known/openid-configuration":
            told = {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "id_token_signing_alg_values_supported": ["RS256"],
            }
            return 200, {**told, **self.metadata}
        if path == "/keys":
            jwk = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
            return 200, {"keys": [{**jwk, "kid": self.kid, "use": "sig", "alg": "RS256"}]}
        return self._token(headers, body)

    def _token(self, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        sent = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        pair = base64.b64decode(headers.get("authorization", "").removeprefix("Basic ")).decode()
        known = [unquote_plus(part) for part in pair.split(":", 1)] == [CLIENT, SECRET]
        asked = self._codes.pop(sent.get("code", ""), None)
        digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if not known or asked is None or asked["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        if asked["redirect_uri"] != sent.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 60, "nonce": asked["nonce"], **self.claims}
        self.change(claims)
        sign = self.sign or (lambda made: jwt.encode(made, self.key, "RS256", headers={"kid": self.kid}))
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": sign(claims)}


class _Server(uvicorn.Server):
    async def run_here(self) -> None:
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup()
        await self.main_loop()
        await self.shutdown()


@asynccontextmanager
async def issuing() -> AsyncIterator[Issuer]:
    """Serve an issuer on a port of this machine."""
    issuer = Issuer()
    config = uvicorn.Config(issuer, host="127.0.0.1", port=0, log_config=None, lifespan="off")
    config.load()
    server = _Server(config)
    async with anyio.create_task_group() as group:
        group.start_soon(server.run_here)
        while not server.started:  # noqa: ASYNC110 uvicorn has no event for it
            await anyio.sleep(0.005)
        issuer.url = f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
        yield issuer
        server.should_exit = True
