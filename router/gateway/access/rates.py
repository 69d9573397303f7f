"""How often, and how much, one tenant and one user may ask (security.md F; threat 30). Counted in this process."""

import math
import time

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from router.gateway.errors import RateExceeded
from router.gateway.settings import Quota, Settings
from shared.wire.principal import Principal


class Rates:
    """Counts requests and cost in windows of a minute; what a tenant may is by its plan."""

    def __init__(self, settings: Settings) -> None:
        """Start with nothing counted."""
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._user = RateLimitItemPerMinute(settings.user_requests_per_minute, namespace="user")
        self._plans = {plan: _items(quota) for plan, quota in settings.plans.items()}
        self._every_plan = _items(Quota(settings.tenant_requests_per_minute, settings.tenant_cost_per_minute))

    def count(self, principal: Principal) -> None:
        """Count a request. Raises RateExceeded where its user, or all of its tenant, asked too often."""
        self._hit(self._user, _user(principal), 1)
        self._hit(self._of(principal)[0], str(principal.tenant), 1)

    def spend(self, principal: Principal, cost: int) -> None:
        """Count what an operation may cost. Raises RateExceeded where the tenant spent its minute's worth."""
        self._hit(self._of(principal)[1], str(principal.tenant), max(1, cost))

    def headers(self, principal: Principal) -> tuple[tuple[bytes, bytes], ...]:
        """Return what is left of each allowance, by draft-ietf-httpapi-ratelimit-headers: quota, window, rest, seconds."""
        requests, cost = self._of(principal)
        tenant = str(principal.tenant)
        policies: list[str] = []
        rests: list[str] = []
        for name, item, key in (
            ("user", self._user, _user(principal)),
            ("tenant", requests, tenant),
            ("cost", cost, tenant),
        ):
            left = self._limiter.get_window_stats(item, key)
            policies.append(f'"{name}";q={item.amount};w={item.get_expiry()}')
            rests.append(f'"{name}";r={max(0, left.remaining)};t={_seconds_to(left.reset_time)}')
        return ((b"ratelimit-policy", ", ".join(policies).encode()), (b"ratelimit", ", ".join(rests).encode()))

    def _of(self, principal: Principal) -> tuple[RateLimitItem, RateLimitItem]:
        return self._plans.get(principal.plan, self._every_plan)

    def _hit(self, item: RateLimitItem, key: str, amount: int) -> None:
        if not self._limiter.hit(item, key, cost=amount):
            ends = self._limiter.get_window_stats(item, key).reset_time
            raise RateExceeded(retry_after_ms=max(1, _seconds_to(ends)) * 1000)


def _items(quota: Quota) -> tuple[RateLimitItem, RateLimitItem]:
    """Return a plan's two allowances; a tenant that changes its plan starts anew."""
    return (
        RateLimitItemPerMinute(quota.requests_per_minute, namespace="tenant"),
        RateLimitItemPerMinute(quota.cost_per_minute, namespace="cost"),
    )


def _user(principal: Principal) -> str:
    return f"{principal.tenant}/{principal.user}"


def _seconds_to(instant: float) -> int:
    return max(0, math.ceil(instant - time.time()))
