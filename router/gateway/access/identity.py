"""Who is asking: a Bearer token becomes a Principal, by keys that identity published (contracts.md, "Sign-in")."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import jwt
import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from router.errors import ModuleUnavailable, RouterError
from router.gateway.access.credentials import Credentials
from router.gateway.access.programs import KEY, Exchange, Programs, Verified
from router.gateway.access.revocations import Revocations
from router.gateway.errors import NotSignedIn
from router.gateway.protocol.asgi import Response
from router.gateway.settings import Settings
from shared.clock import Clock
from shared.errors import Unauthenticated
from shared.wire.principal import Principal
from shared.wire.token import keys_of_jwks, verify_access

_RETRY_S = 1.0
_KEPT_TOKENS = 2048

FetchKeys = Callable[[], Awaitable[bytes]]

log = structlog.get_logger()


class Session(msgspec.Struct, frozen=True):
    """Who holds a connection that stays, and what returns when they hold it no longer."""

    principal: Principal
    over: Callable[[], Awaitable[None]]


class Identity:
    """Verifies access tokens. The last good key set lies in a file, so that a router starts with identity down."""

    def __init__(
        self,
        *,
        store: Path,
        fetch: FetchKeys,
        exchange: Exchange,
        revocations: Revocations,
        clock: Clock,
        settings: Settings,
    ) -> None:
        """Start from the key set in `store`, if there is one; `fetch` asks identity for its JSON Web Key Set.

        `exchange` asks identity what a program's key stands for; what `revocations` refuses counts no more.
        """
        self._programs = Programs(exchange, self._verify, revocations=revocations, clock=clock, settings=settings)
        self._revocations = revocations
        self._store = store
        self._fetch = fetch
        self._clock = clock
        self._settings = settings
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._published = b""
        self._verified: dict[str, Verified] = {}
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

    async def principal(self, shown: Credentials) -> Principal:
        """Return who shows these credentials. Raises NotSignedIn."""
        return (await self._known(shown)).principal

    async def session(self, shown: Credentials) -> Session:
        """Return who shows these credentials, for a connection that stays. Raises NotSignedIn."""
        verified = await self._known(shown)

        async def over() -> None:
            left_s = verified.expires_at - self._clock.now().timestamp()
            try:
                async with asyncio.timeout(left_s):
                    await self._revocations.until_refused(verified.principal, verified.issued_at)
            except TimeoutError:
                return

        return Session(verified.principal, over)

    async def follow(self) -> None:
        """Keep the keys fresh until cancelled."""
        while True:
            async with self._refreshing:
                pause_s = self._settings.key_refresh_s if await self._refresh() else _RETRY_S
            await anyio.sleep(pause_s)

    async def _known(self, shown: Credentials) -> Verified:
        scheme, _, rest = (shown.authorization or b"").partition(b" ")
        if scheme.lower() != b"bearer":
            raise NotSignedIn("no bearer token")
        token = rest.strip().decode("latin-1")
        if token.startswith(KEY):
            verified = await self._programs.verified(token, shown)
        else:
            verified = self._verified.get(token)
            if verified is None or self._clock.now().timestamp() >= verified.expires_at:
                verified = await self._verify(token)
        if self._revocations.refuses(verified.principal, verified.issued_at):
            raise NotSignedIn("the token was revoked")
        return verified

    async def _verify(self, token: str) -> Verified:
        self._verified.pop(token, None)
        await self._know_key_of(token)
        try:
            principal, issued, expires = verify_access(token, self._keys, clock=self._clock)
        except Unauthenticated as error:
            raise NotSignedIn(str(error.facts["reason"])) from error
        if principal.tenant is None:
            raise NotSignedIn("a token without a tenant")
        if len(self._verified) >= _KEPT_TOKENS:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = verified = Verified(principal, issued.timestamp(), expires.timestamp())
        return verified

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
        except (msgspec.MsgspecError, jwt.InvalidKeyError, KeyError, TypeError, ValueError, AttributeError) as error:
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
