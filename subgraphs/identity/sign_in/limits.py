"""How often one may guess (IDN-4): 10 failures in 15 minutes lock an address's account for 15 minutes, known or not."""

import functools
import hashlib
import math
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from uuid import UUID

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from shared.wire.address import subscriber

ACCOUNT_FAILURES = RateLimitItemPerMinute(10, 15, namespace="account")
PEER_FAILURES = RateLimitItemPerMinute(100, 15, namespace="peer")
_LOCK = RateLimitItemPerMinute(1, 15, namespace="lock")
CODES = RateLimitItemPerMinute(5, 15, namespace="code")
_FLOWS = RateLimitItemPerMinute(60, namespace="flow")
_RESETS = RateLimitItemPerMinute(3, 60, namespace="reset")
_RESETS_OF_PEER = RateLimitItemPerMinute(30, 60, namespace="resets of peer")
_MOMENT_S = 1


class Guesses:
    """Counts failures in this process; identity is one process."""

    def __init__(self) -> None:
        """Start with nothing counted."""
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._under_way = Counter[str]()

    @contextmanager
    def attempt(self, account: str, peer: str) -> Generator[int]:
        """Yield for how many seconds no attempt counts, 0 where this one may be made.

        While it is made it counts as if it failed: however many come at once, no more are made than may fail.
        """
        who, peer = _short(account), subscriber(peer)
        if wait_s := self._locked_for_s(who, peer):
            yield wait_s
            return
        self._under_way.update((who, peer))
        try:
            yield 0
        finally:
            self._under_way -= Counter((who, peer))

    def failed(self, account: str, peer: str) -> None:
        """Count a failure; the tenth locks."""
        who = _short(account)
        self._limiter.hit(ACCOUNT_FAILURES, who)
        self._limiter.hit(PEER_FAILURES, subscriber(peer))
        if not self._limiter.test(ACCOUNT_FAILURES, who):
            self._limiter.hit(_LOCK, who)
            self._limiter.clear(ACCOUNT_FAILURES, who)

    def succeeded(self, account: str) -> None:
        """Forget an account's failures."""
        self._limiter.clear(ACCOUNT_FAILURES, _short(account))

    def code_locked_for_s(self, user_id: UUID) -> int:
        """Count one try of a second factor's code; return for how many seconds none counts, 0 where this one may be made.

        Five tries in 15 minutes: of a million codes three are right at any moment.
        """
        return 0 if self._limiter.hit(CODES, str(user_id)) else self._left_s(CODES, str(user_id))

    def code_was_right(self, user_id: UUID) -> None:
        """Forget a person's tries."""
        self._limiter.clear(CODES, str(user_id))

    def flow_locked_for_s(self, peer: str) -> int:
        """Count a sign-in at a provider that an address begins; return for how many seconds it may begin none."""
        peer = subscriber(peer)
        return 0 if self._limiter.hit(_FLOWS, peer) else self._left_s(_FLOWS, peer)

    def may_ask_reset(self, account: str, peer: str) -> bool:
        """Tell whether another letter may go to an address: three an hour, and thirty from one place."""
        return self._limiter.hit(_RESETS_OF_PEER, subscriber(peer)) and self._limiter.hit(_RESETS, _short(account))

    def _locked_for_s(self, who: str, peer: str) -> int:
        if not self._limiter.test(_LOCK, who):
            return self._left_s(_LOCK, who)
        if not self._limiter.test(PEER_FAILURES, peer):
            return self._left_s(PEER_FAILURES, peer)
        counted = ((ACCOUNT_FAILURES, who), (PEER_FAILURES, peer))
        are_full = any(self._limiter.get_window_stats(*one).remaining <= self._under_way[one[1]] for one in counted)
        return _MOMENT_S if are_full else 0

    def _left_s(self, item: RateLimitItemPerMinute, key: str) -> int:
        return max(1, math.ceil(self._limiter.get_window_stats(item, key).reset_time - time.time()))


@functools.cache
def guesses() -> Guesses:
    """Return this process's counts."""
    return Guesses()


def _short(account: str) -> str:
    return hashlib.sha256(account.encode()).hexdigest()
