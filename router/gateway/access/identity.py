"""Who is asking: a Bearer token becomes a Principal, by keys that identity published (contracts.md, "Sign-in")."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import jwt
import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from router.errors import ModuleUnavailable, RouterError
from router.gateway.errors import NotSignedIn
from router.gateway.protocol.asgi import Response
from router.gateway.settings import Settings
from shared.clock import Clock
from shared.errors import Unauthenticated
from shared.wire.principal import Principal
from shared.wire.token import keys_of_jwks, verify_access

_RETRY_S = 1.0
_KEPT_TOKENS = 2048
_MISSHAPEN = (KeyError, TypeError, ValueError, AttributeError)  # signed by identity, and yet not of the agreed shape

_KEY = "mwz_"  # what the keys of programs begin with
_KEY_STREAM_S = 60.0

FetchKeys = Callable[[], Awaitable[bytes]]
Exchange = Callable[[str], Awaitable[str | None]]

log = structlog.get_logger()


class Identity:
    """Verifies access tokens. The last good key set lies in a file, so that a router starts with identity down."""

    def __init__(self, *, store: Path, fetch: FetchKeys, exchange: Exchange, clock: Clock, settings: Settings) -> None:
        """Start from the key set in `store`, if there is one; `fetch` asks identity for its JSON Web Key Set.

        `exchange` asks identity for the access token that a program's key stands for.
        """
        self._exchange = exchange
        self._programs: dict[str, tuple[Principal | None, float]] = {}
        self._store = store
        self._fetch = fetch
        self._clock = clock
        self._settings = settings
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._published = b""
        self._verified: dict[str, tuple[Principal, float]] = {}
        self._refreshing = anyio.Lock()
        self._refreshed_at = float("-inf")
        if store.exists():
            self._take(store.read_bytes())

    async def published(self) -> Response:
        """Answer with identity's key set; with identity down, with the last good one."""
        await self._refresh_unless_recent()
        if self._keys:
            return Response(body=self._published)
        raise ModuleUnavailable("identity")

    async def session(self, authorization: bytes | None) -> tuple[Principal, float]:
        """Return who holds a token, and the seconds that it is still good for. Raises NotSignedIn."""
        principal = await self.principal(authorization)
        token = (authorization or b"").partition(b" ")[2].strip().decode("latin-1")
        if token.startswith(_KEY):
            return principal, _KEY_STREAM_S
        kept = self._verified.get(token)
        return principal, max(kept[1] - self._clock.now().timestamp(), 0.0) if kept else 0.0

    async def principal(self, authorization: bytes | None) -> Principal:
        """Return who holds the token in the header `authorization`. Raises NotSignedIn."""
        scheme, _, rest = (authorization or b"").partition(b" ")
        if scheme.lower() != b"bearer":
            raise NotSignedIn("no bearer token")
        token = rest.strip().decode("latin-1")
        if token.startswith(_KEY):
            return await self._program(token)
        kept = self._verified.get(token)
        if kept and self._clock.now().timestamp() < kept[1]:
            return kept[0]
        return await self._verify(token)

    async def _program(self, key: str) -> Principal:
        """Return who a program's key stands for. Identity is asked again after a second: a revoked key lives no longer."""
        kept = self._programs.get(key)
        if kept is None or kept[1] < anyio.current_time():
            asked_at = anyio.current_time()
            token = await self._exchange(key)
            kept = (await self._verify(token) if token else None), asked_at + self._settings.key_kept_s
            self._programs.pop(key, None)
            if len(self._programs) >= _KEPT_TOKENS:
                del self._programs[next(iter(self._programs))]
            self._programs[key] = kept
        if kept[0] is None:
            raise NotSignedIn("a key that is not good")
        return kept[0]

    async def follow(self) -> None:
        """Keep the keys fresh until cancelled."""
        while True:
            async with self._refreshing:
                pause_s = self._settings.key_refresh_s if await self._refresh() else _RETRY_S
            await anyio.sleep(pause_s)

    async def _verify(self, token: str) -> Principal:
        self._verified.pop(token, None)
        await self._know_key_of(token)
        try:
            principal, expires = verify_access(token, self._keys, clock=self._clock)
        except Unauthenticated as error:
            raise NotSignedIn(str(error.facts["reason"])) from error
        except _MISSHAPEN as error:
            raise NotSignedIn(repr(error)) from error
        if principal.tenant is None:
            raise NotSignedIn("a token without a tenant")
        if len(self._verified) >= _KEPT_TOKENS:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = principal, expires.timestamp()
        return principal

    async def _know_key_of(self, token: str) -> None:
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
        except jwt.InvalidTokenError as error:
            raise NotSignedIn(str(error)) from error
        if not isinstance(key_id, str) or key_id in self._keys:
            return
        await self._refresh_unless_recent()

    async def _refresh_unless_recent(self) -> None:
        """Ask identity for its keys, unless that was tried a moment ago; wait for a try that is under way."""
        async with self._refreshing:
            if anyio.current_time() - self._refreshed_at > self._settings.unknown_key_pause_s:
                await self._refresh()

    async def _refresh(self) -> bool:
        """Take over the keys identity has now; False where it can't be asked, or answers nonsense."""
        try:
            written = await self._fetch()
        except RouterError as error:
            log.info("keys_not_fetched", error=str(error))
            return False
        finally:
            self._refreshed_at = anyio.current_time()
        if not self._take(written):
            return False
        partial = self._store.with_suffix(".partial")
        partial.write_bytes(written)
        partial.replace(self._store)
        return True

    def _take(self, written: bytes) -> bool:
        try:
            keys = keys_of_jwks(msgspec.json.decode(written, type=dict[str, Any]))
        except (msgspec.MsgspecError, jwt.InvalidKeyError, *_MISSHAPEN) as error:
            log.warning("keys_not_understood", error=repr(error))
            return False
        if not keys:
            log.warning("keys_not_understood", error="no Ed25519 key in the set")
            return False
        self._published = written
        if keys.keys() != self._keys.keys():
            self._keys = keys
            self._verified.clear()  # a key that was taken back must not live on in what was verified by it
        return True
