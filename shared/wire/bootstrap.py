"""What a process is told at its birth, by pipe: secrets never stand in an environment or a command line."""

from typing import Annotated

import msgspec


class FormerKey(msgspec.Struct, frozen=True):
    """The public half of a key that no router signs with any more, and how long what it signed may still count."""

    public: str  # 32 bytes in hexadecimal
    until: float  # seconds since the epoch, real time


class ModuleBootstrap(msgspec.Struct, frozen=True, kw_only=True):
    """All that a module's process needs. The listening socket comes beside it, as an inherited descriptor."""

    module: str
    database_url: str  # postgresql://mewayz_crm_app:...@/mewayz_crm?host=/run/postgres
    relay_url: str  # the same database as the role mewayz_crm_relay
    extra_urls: dict[str, str] = {}  # further roles of this module alone: {"identity_login": url}
    nats_url: str  # nats://127.0.0.1:4222, without the user
    nats_user: str
    nats_password: str
    router_keys: dict[str, str]  # kid -> public Ed25519 key, 32 bytes in hexadecimal
    former_router_keys: dict[str, FormerKey] = {}  # by kid
    successors: dict[str, str] = {}  # one of the URLs above -> the same with the password its role is about to have
    renewed: str | None = None  # a file like this, mode 0600, that says what has changed since
    issuer: str = "http://localhost:8000"  # `iss` of access tokens (identity only)
    clock: str | None = None  # MEWAYZ_CLOCK
    test_data: bool = False  # <data>/TEST exists
    heartbeat_fd: int | None = None  # a byte is written to it each second
    log_level: str = "info"


class PlanQuota(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a tenant of a plan may ask in a minute."""

    requests_per_minute: Annotated[int, msgspec.Meta(gt=0)]
    cost_per_minute: Annotated[int, msgspec.Meta(gt=0)]


class Edge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator says of the gateway's edge."""

    hosts: tuple[str, ...] = ()  # names it answers under; none: every name
    origins: tuple[str, ...] = ()  # of pages that may call from a browser, for all tenants: https://app.example.com
    proxies: tuple[str, ...] = ()  # addresses and networks of the proxies in front: 10.0.0.0/8
    plans: dict[str, PlanQuota] = {}  # by the plan's code


class RouterBootstrap(msgspec.Struct, frozen=True, kw_only=True):
    """All that a router worker needs."""

    host: str
    port: int
    supergraph: str  # path of schema/supergraph.graphql
    data: str  # the data folder: jwks.json lies here
    module_url: str  # unix:<run>/{slug}.sock or http://{slug}:8000/graphql
    supervisor_socket: str | None  # None: every module counts as ready
    signing_key: str  # private Ed25519 key, 32 bytes in hexadecimal
    former_keys: dict[str, FormerKey] = {}  # by kid: they signed for whom commands wait
    renewed: str | None = None  # a file like this, mode 0600, that says what has changed since
    edge: Edge = Edge()
    metrics_token: str | None = None  # who shows it may read /metrics from elsewhere
    certificate: str | None = None  # PEM files: the router speaks TLS itself
    certificate_key: str | None = None
    nats_url: str | None = None  # None: no command can wait in the queue
    nats_user: str = ""
    nats_password: str = ""
    clock: str | None = None
    test_data: bool = False
    log_level: str = "info"
