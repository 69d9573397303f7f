"""What a gateway is told once, at its start."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from router.gateway.access.limits import Limits
from shared.wire.bootstrap import RouterBootstrap


@dataclass(frozen=True, slots=True)
class Quota:
    """What a tenant may ask in a minute: requests, and their cost as access.cost estimates it."""

    requests_per_minute: int
    cost_per_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The bounds of one request; sizes in bytes, times in seconds."""

    request_deadline_s: float = 10.0
    module_timeout_s: float = 5.0
    deadline_margin_s: float = 0.05  # kept back from what is left, so that the answer still gets out
    requests_in_hand: int = 1_000  # by this router; more are refused with 503
    awaited: int = 1_000  # bodies that have yet to come whole, and as many WebSockets that have yet to sign in
    awaited_of_place: int = 100  # of them, one address's
    streams: int = 10_000  # connections that stay: event streams and WebSockets; more are refused
    tenant_streams: int = 2_000  # of them, one tenant's
    module_concurrency: int = 64  # requests in flight to one module
    tenant_concurrency: int = 32  # of them, one tenant's
    module_queue: int = 128  # requests that wait for a place; more are OVERLOADED
    overload_retry_ms: int = 500
    body_bytes: int = 256 * 1024
    queued_per_tenant: int = 1_000  # commands that wait
    queued_per_module: int = 50_000
    drain_s: float = 15.0  # how long requests in flight may take to finish at shutdown
    key_refresh_s: float = 300.0
    key_kept_s: float = 60.0  # how long a program's key is believed before identity is asked again
    key_kept_unheard_s: float = 0.9  # the same while identity's events may be missing, and for a wrong key
    wrong_keys_per_minute: int = 30  # from one address; then no unknown key from there is looked at
    revocation_pause_s: float = 0.9  # without NATS: how often identity is asked what is revoked
    unknown_key_pause_s: float = 2.0  # how long unknown key ids are refused before identity is asked again
    variables_bytes: int = 64 * 1024
    answer_bytes: int = 4 * 1024 * 1024
    cost: int = 5_000  # of one operation, as access.cost estimates it
    user_requests_per_minute: int = 120_000  # high: one machine serves a company; a shared platform sets them lower
    tenant_requests_per_minute: int = 300_000
    tenant_cost_per_minute: int = 5_000_000
    plans: Mapping[str, Quota] = field(default_factory=dict[str, Quota])  # by the plan's code; of others the two above
    origins: tuple[str, ...] = ()  # of pages that may call from a browser, for all tenants: https://app.example.com
    hosts: tuple[str, ...] = ()  # names it answers under; none named: under every name
    proxies: tuple[str, ...] = ()  # addresses and networks of proxies in front, whose x-forwarded-* is believed
    limits: Limits = field(default_factory=Limits)
    mask_errors: bool = True


def settings_of(bootstrap: RouterBootstrap) -> Settings:
    """Return the settings of a router that was told the operator's wishes."""
    edge = bootstrap.edge
    plans = {code: Quota(one.requests_per_minute, one.cost_per_minute) for code, one in edge.plans.items()}
    return Settings(hosts=edge.hosts, origins=edge.origins, proxies=edge.proxies, plans=plans)
