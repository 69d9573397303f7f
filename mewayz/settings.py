"""What `mewayz up` was asked to do: read once from command line and environment, handed to the supervisor by pipe."""

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one platform on one machine."""

    data: str
    host: str = "127.0.0.1"
    port: int = 8000
    modules: list[str] | None = None  # None: every folder under subgraphs/
    modules_from: list[str] = []  # further folders of modules, for benches and tests
    demo: bool = True
    demo_scale: float = 0.02
    database_url: str | None = None  # an administrator's URL of a real server instead of the embedded one
    nats_url: str | None = None
    clock: str | None = None
    log_level: str = "info"
    supergraph: str | None = None  # None: schema/supergraph.graphql of the repository

    @property
    def address(self) -> str:
        """The API's origin, as people type it."""
        return f"http://{'localhost' if self.host in ('127.0.0.1', '0.0.0.0') else self.host}:{self.port}"
