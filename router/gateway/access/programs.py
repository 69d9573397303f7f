"""Programs come in by a key (IDN-6): identity says what it stands for, and from where it may be used."""

import math
import time
from collections.abc import Awaitable, Callable
from ipaddress import ip_address, ip_network

import anyio
import msgspec
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from router.gateway.access.credentials import Credentials
from router.gateway.access.revocations import Revocations
from router.gateway.errors import NotSignedIn, RateExceeded
from router.gateway.settings import Settings
from shared.clock import Clock
from shared.wire.address import subscriber
from shared.wire.principal import Principal

KEY = "mwz_"  # what the keys of programs begin with
_KEPT_KEYS = 2048


class KeyFacts(msgspec.Struct, frozen=True, rename="camel"):
    """What identity answers for a good key; without addresses or origins it may be used from everywhere."""

    access_token: str
    addresses: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()


class Verified(msgspec.Struct, frozen=True):
    """A token that was verified: who, and from when to when it counts, in seconds since the epoch."""

    principal: Principal
    issued_at: float
    expires_at: float


class _Known(msgspec.Struct, frozen=True):
    verified: Verified | None
    facts: KeyFacts | None
    asked_at: float


Exchange = Callable[[str], Awaitable[KeyFacts | None]]
Verify = Callable[[str], Awaitable[Verified]]


class Programs:
    """Knows keys for a minute. One that is revoked is refused as soon as identity's event is here, within a second."""

    def __init__(
        self, exchange: Exchange, verify: Verify, *, revocations: Revocations, clock: Clock, settings: Settings
    ) -> None:
        """Ask identity by `exchange`; `verify` reads the access token that it answers with."""
        self._exchange = exchange
        self._verify = verify
        self._revocations = revocations
        self._clock = clock
        self._settings = settings
        self._known: dict[str, _Known] = {}
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._wrong = RateLimitItemPerMinute(settings.wrong_keys_per_minute, namespace="wrong key")

    async def verified(self, key: str, shown: Credentials) -> Verified:
        """Return who a key stands for. Raises NotSignedIn, or RateExceeded for an address that tried too many wrong ones."""
        known = self._known.get(key)
        if known is None or not self._is_fresh(known):
            known = await self._ask(key, shown.peer)
        verified, facts = known.verified, known.facts
        if verified is None or facts is None or not _may_come(facts, shown):
            self._limiter.hit(self._wrong, subscriber(shown.peer))
            raise NotSignedIn("a key that is not good, or not from there")
        return verified

    def _is_fresh(self, known: _Known) -> bool:
        # Without events a key is believed for a second only.
        kept_s = self._settings.key_kept_s if self._revocations.is_current else self._settings.key_kept_unheard_s
        if known.verified is None:
            kept_s = self._settings.key_kept_unheard_s
        elif self._clock.now().timestamp() >= known.verified.expires_at or self._revocations.refuses(
            known.verified.principal, known.verified.issued_at
        ):
            return False
        return anyio.current_time() < known.asked_at + kept_s

    async def _ask(self, key: str, peer: str) -> _Known:
        if not self._limiter.test(self._wrong, subscriber(peer)):
            ends = self._limiter.get_window_stats(self._wrong, subscriber(peer)).reset_time
            raise RateExceeded(retry_after_ms=max(1, math.ceil(ends - time.time())) * 1000)
        asked_at = anyio.current_time()
        facts = await self._exchange(key)
        known = _Known(await self._verify(facts.access_token) if facts else None, facts, asked_at)
        self._known.pop(key, None)
        if len(self._known) >= _KEPT_KEYS:
            del self._known[next(iter(self._known))]
        self._known[key] = known
        return known


def _may_come(facts: KeyFacts, shown: Credentials) -> bool:
    """Tell whether a key may be used from there: a key of a page needs the page's origin, which every browser sends."""
    if facts.origins and (shown.origin or b"").decode("latin-1") not in facts.origins:
        return False
    if not facts.addresses:
        return True
    try:
        peer = ip_address(shown.peer)
    except ValueError:  # no address: a Unix socket
        return False
    return any(peer in ip_network(one) for one in facts.addresses)
