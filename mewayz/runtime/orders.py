"""What the supervisor orders its forked jobs to do, and what they report: JSON over pipes."""

from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from shared.wire.control import GetToken, Operate


class Provide(msgspec.Struct, frozen=True):
    """The order for `provide`."""

    admin_url: str
    secrets: str  # the folder of passwords


class Prepare(msgspec.Struct, frozen=True):
    """The order for `prepare`: the module's database, with the owner's rights."""

    owner_url: str


class Description(msgspec.Struct, frozen=True):
    """What the supervisor needs of a module's own description."""

    slug: str
    publishes: list[str] = []
    subscribes: list[str] = []
    keeps: list[str] = []
    takes_queued: bool = False
    demo_order: int | None = None


class Admit(msgspec.Struct, frozen=True):
    """The order for `admit`."""

    admin_url: str
    modules: list[Description] = []


class Plant(msgspec.Struct, frozen=True):
    """The order for `plant` and `found`: the module's database, and for `plant` the tenant."""

    database_url: str
    as_of: date
    extra_urls: dict[str, str] = {}
    tenant: UUID | None = None
    slug: str = ""
    scale: float = 0.02
    clock: str | None = None
    test_data: bool = False


class Task(msgspec.Struct, frozen=True):
    """The order for `operate`: what an operator asked for, and the servers it needs."""

    admin_url: str
    nats_admin_url: str
    secrets: str
    operate: Operate
    clock: str | None = None
    test_data: bool = False


class Key(msgspec.Struct, frozen=True):
    """The order for `key`: where secrets are kept, and whether another key takes the place of the one that is there."""

    secrets: str
    exchange: bool = False


class Change(msgspec.Struct, frozen=True):
    """The order for `change`: roles of databases that get the successors of their passwords."""

    admin_urls: list[str]
    secrets: str
    roles: dict[str, str]  # role -> what its password is called


class Session(msgspec.Struct, frozen=True):
    """The order for `session`: for whom, identity's socket, and the routers' key to sign the request with."""

    request: GetToken
    identity: str
    signing_key: str
    clock: str | None = None
    test_data: bool = False


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a job reports: its result, or a sentence on what went wrong and where.

    `passes`: the fault is none of the module, but of a server that is away.
    """

    result: Any = None
    error: str | None = None
    passes: bool = False
