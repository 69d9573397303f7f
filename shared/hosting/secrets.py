"""A module's keys and passwords, which change while its process runs (ADR 0024)."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Never

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nats.aio.client import Client
from nats.errors import AuthorizationError

from shared.database.address import Address
from shared.wire.bootstrap import ModuleBootstrap
from shared.wire.renewal import LOOK_S, Told

log = structlog.get_logger()


class RouterKeys(Mapping[str, Ed25519PublicKey]):
    """The public keys by `kid` that a request's token may be signed with at this moment.

    One that is not known may be new: it is looked for, so that a router signs with it as soon as it stands in the file.
    A former one counts as long as tokens may be on their way.
    """

    def __init__(self, told: Told[ModuleBootstrap], now_s: Callable[[], float] = time.time) -> None:
        """Take what the process was told; `now_s` tells real time."""
        self._told = told
        self._now_s = now_s
        self._of: ModuleBootstrap | None = None
        self._keys: dict[str, tuple[Ed25519PublicKey, float]] = {}

    def __getitem__(self, kid: str) -> Ed25519PublicKey:
        """Return the key `kid`. Raises KeyError for one that is unknown, or that counts no longer."""
        if kid not in self._known():
            self._told.look()
        key, until = self._known()[kid]
        if until <= self._now_s():
            raise KeyError(kid)
        return key

    def __iter__(self) -> Iterator[str]:
        """Go through the ids of all keys, former ones too."""
        return iter(self._known())

    def __len__(self) -> int:
        """Return how many keys there are."""
        return len(self._known())

    def _known(self) -> dict[str, tuple[Ed25519PublicKey, float]]:
        now = self._told.now
        if now is not self._of:
            former = {kid: (_key(key.public), key.until) for kid, key in now.former_router_keys.items()}
            self._keys = {**former, **{kid: (_key(raw), float("inf")) for kid, raw in now.router_keys.items()}}
            self._of = now
        return self._keys


def address_of(told: Told[ModuleBootstrap], url: Callable[[ModuleBootstrap], str]) -> Address:
    """Return one role's address: `url` picks it from what the process was told, as that is when it is asked."""

    def urls() -> list[str]:
        told.look()
        now = url(told.now)
        successor = told.now.successors.get(now)
        return [now, successor] if successor else [now]

    return urls


async def stay_connected(client: Client, told: Told[ModuleBootstrap]) -> Never:
    """Connect to NATS anew whenever the user has changed; what was on its way is delivered again, as after any break.

    Raises AuthorizationError where the server has cut a user that is none any more: nothing connects again then, and the
    next process is told the new one.
    """
    used = _login(told)
    while True:
        await asyncio.sleep(LOOK_S)
        told.look()
        if client.is_closed:
            raise AuthorizationError
        if (wanted := _login(told)) != used:
            log.info("nats_user_changes", name=told.now.module)
            used = wanted
            await client.force_reconnect()


def _login(told: Told[ModuleBootstrap]) -> tuple[str, str]:
    return told.now.nats_user, told.now.nats_password


def _key(raw: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(raw))
