"""What `mewayz up` was asked to do: read once from command line and environment, handed to the supervisor by pipe."""

import msgspec

from shared.wire.bootstrap import Edge

_FEW_MODULES = 12


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one platform on one machine."""

    data: str
    host: str = "127.0.0.1"
    port: int = 8000
    modules: list[str] | None = None  # None: every folder under subgraphs/
    modules_from: list[str] = []  # further folders of modules, for benches and tests
    demo: bool = True
    demo_scale: float = 0.02
    eager: bool | None = None  # start every module at once; None: where there are few
    idle_s: float = 600  # a module that has nothing to do for so long is put to sleep; 0: never
    memory_mb: int = 1024  # a module that holds more is started again
    database_url: str | None = None  # an administrator's URL of a real server instead of the embedded one
    nats_url: str | None = None
    edge: Edge = Edge()  # of the gateway: host names, pages, proxies, plans
    metrics_token: str | None = None  # a secret: who shows it may read /metrics from elsewhere
    clock: str | None = None
    log_level: str = "info"
    supergraph: str | None = None  # None: schema/supergraph.graphql of the repository

    def starts_all(self, modules: int) -> bool:
        """Return whether every one of `modules` modules is started with the platform, rather than when it is needed."""
        return self.eager if self.eager is not None else modules <= _FEW_MODULES

    @property
    def address(self) -> str:
        """The API's origin, as people type it."""
        return f"http://{'localhost' if self.host in ('127.0.0.1', '0.0.0.0') else self.host}:{self.port}"


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """What a supervisor is told at its birth by `up`, through its standard input."""

    settings: Settings
    is_successor: bool  # the one before died, and its processes are to be taken over
    lifeline: tuple[int, int]  # descriptors of both ends
