"""The supervisor's control socket (`<run>/supervisor.sock`, mode 0600): one JSON object a line, each way.

A client sends one request; the supervisor answers with one line, except to `Watch`, which is answered by a `States` line
at once and another at every change, while `Wake` may follow on the same connection (contracts.md, "Who may be sent to").
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec


class ModuleState(StrEnum):
    """Where a module's process is in its life. Requests are sent only to READY."""

    ASLEEP = "asleep"
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    BACKOFF = "backoff"
    PARKED = "parked"
    STOPPED = "stopped"


class Watch(msgspec.Struct, frozen=True, tag="watch"):
    """Send me all module states now and after every change."""


class Wake(msgspec.Struct, frozen=True, tag="wake"):
    """Start `module` if it is asleep; no answer but its next state."""

    module: str


class GetStatus(msgspec.Struct, frozen=True, tag="status"):
    """What `mewayz status --json` prints."""


class Start(msgspec.Struct, frozen=True, tag="start"):
    """Let `module` run again."""

    module: str


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Hold `module` down until `Start`, also against requests and events; `kill` sends SIGKILL instead of SIGTERM."""

    module: str
    kill: bool = False


class Restart(msgspec.Struct, frozen=True, tag="restart"):
    """Stop and start `module`."""

    module: str


class GetToken(msgspec.Struct, frozen=True, tag="token"):
    """Ask identity for a 10-minute session of `user` (e-mail; None: the tenant's owner) in the tenant with this slug."""

    tenant: str
    user: str | None = None


class GetLogins(msgspec.Struct, frozen=True, tag="logins"):
    """The demo logins with their passwords."""


class GetBroker(msgspec.Struct, frozen=True, tag="broker"):
    """The administrator's URL of NATS: a secret, for our own user's eyes (`mewayz events tail`)."""


class Operate(msgspec.Struct, frozen=True, tag="operate"):
    """Do an operator's task on events (mewayz/runtime/operations.py lists them); `module` is None for all modules."""

    task: str
    module: str | None = None
    arguments: dict[str, str] = {}


class Secret(StrEnum):
    """What `mewayz secrets rotate` exchanges."""

    ROUTER_KEY = "router-key"
    DATABASES = "databases"
    NATS = "nats"


class Rotate(msgspec.Struct, frozen=True, tag="rotate"):
    """Exchange secrets of one kind while everything runs; the result says in words what was done."""

    what: Secret


class Shutdown(msgspec.Struct, frozen=True, tag="shutdown"):
    """Stop everything in order."""


Request = (
    Watch | Wake | GetStatus | Start | Stop | Restart | GetToken | GetLogins | GetBroker | Operate | Rotate | Shutdown
)


class States(msgspec.Struct, frozen=True):
    """The state of every module, by slug; `retry_after_ms` only where a restart is planned."""

    states: dict[str, ModuleState]
    retry_after_ms: dict[str, int] = {}


class ModuleStatus(msgspec.Struct, frozen=True):
    """One module in `mewayz status`."""

    name: str
    state: ModuleState
    pid: int | None = None
    restarts: int = 0
    reason: str | None = None
    schema_skew: bool = False


class RouterStatus(msgspec.Struct, frozen=True):
    """The router in `mewayz status`."""

    pid: int | None
    ready: bool


class ServerStatus(msgspec.Struct, frozen=True):
    """PostgreSQL or NATS in `mewayz status`; the URL holds no password. `pid` is None for a server that is not ours."""

    pid: int | None
    url: str


class AuditStatus(msgspec.Struct, frozen=True):
    """The last audit of the stream: how many events modules had sent by then, and what was wrong."""

    at: datetime
    sent: int
    faults: list[str]


class Status(msgspec.Struct, frozen=True):
    """The whole of `mewayz status --json` (contracts.md, "Where things are")."""

    api: str
    graphiql: str
    router: RouterStatus
    modules: list[ModuleStatus]
    postgres: ServerStatus
    nats: ServerStatus
    audit: AuditStatus | None = None  # none was made yet


class Login(msgspec.Struct, frozen=True):
    """A demo login."""

    tenant: str
    email: str
    password: str
    role: str


class DemoTenant(msgspec.Struct, frozen=True):
    """A demo tenant with its logins."""

    id: UUID
    slug: str
    logins: list[Login]
    is_company: bool = True  # False: the operator's own, which gets no demo rows


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to a request that isn't Watch or Status: one field is set, or none for a plain yes."""

    error: str | None = None
    token: str | None = None
    logins: list[Login] | None = None
    url: str | None = None
    result: Any = None
