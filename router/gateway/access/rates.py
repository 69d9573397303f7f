"""How often, and how much, one tenant and one user may ask (security.md F; threat 30). Counted in this process."""

import math
import time

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from router.gateway.errors import RateExceeded
from router.gateway.settings import Settings
from shared.wire.principal import Principal


class Rates:
    """Counts requests and cost in windows of a minute."""

    def __init__(self, settings: Settings) -> None:
        """Start with nothing counted."""
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._user = RateLimitItemPerMinute(settings.user_requests_per_minute, namespace="user")
        self._tenant = RateLimitItemPerMinute(settings.tenant_requests_per_minute, namespace="tenant")
        self._cost = RateLimitItemPerMinute(settings.tenant_cost_per_minute, namespace="cost")

    def count(self, principal: Principal) -> None:
        """Count a request. Raises RateExceeded where its user, or all of its tenant, asked too often."""
        self._hit(self._user, f"{principal.tenant}/{principal.user}", 1)
        self._hit(self._tenant, str(principal.tenant), 1)

    def spend(self, principal: Principal, cost: int) -> None:
        """Count what an operation may cost. Raises RateExceeded where the tenant spent its minute's worth."""
        self._hit(self._cost, str(principal.tenant), max(1, cost))

    def _hit(self, item: RateLimitItem, key: str, amount: int) -> None:
        if not self._limiter.hit(item, key, cost=amount):
            ends = self._limiter.get_window_stats(item, key).reset_time
            raise RateExceeded(retry_after_ms=max(1, math.ceil(ends - time.time())) * 1000)
