"""What the gateway signs, and with which key: that changes while it runs (ADR 0024)."""

import time
from typing import Never

import anyio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.clock import Clock, SystemClock
from shared.wire.bootstrap import RouterBootstrap
from shared.wire.principal import Principal
from shared.wire.receipt import QueuedCommand
from shared.wire.renewal import LOOK_S, Told
from shared.wire.token import SigningKey, sign_actor, sign_internal, verify_actor


class Signer:
    """Signs the internal tokens that this router's requests carry."""

    def __init__(self, told: Told[RouterBootstrap], clock: Clock) -> None:
        """Sign with the private key, which no module sees, that the router was told."""
        self._told = told
        self._clock = clock
        self._real = SystemClock()
        self._of: RouterBootstrap | None = None
        self._key = self._current()

    def bearer(self, principal: Principal, *, module: str, body: bytes, seconds: float) -> str:
        """Return the header `authorization` of one request to `module` that may take `seconds`."""
        deadline = self._real.now().timestamp() + seconds
        key = self._current()
        token = sign_internal(
            key, principal, audience=module, body=body, deadline=deadline, via="router", clock=self._clock
        )
        return f"Bearer {token}"

    def actor(self, principal: Principal, command: QueuedCommand) -> str:
        """Return the claims of whoever sends a command into the queue."""
        body, expires = command.signed_part, command.expires_at
        return sign_actor(self._current(), principal, body=body, expires=expires, clock=self._clock)

    def verify_actor(self, command: QueuedCommand) -> Principal:
        """Return who sent a command into the queue. Raises Unauthenticated where no gateway of ours signed it.

        It may have waited since before the key changed, or another gateway knew the new one first.
        """
        self._told.look()
        return verify_actor(command.actor, self._known(), body=command.signed_part, clock=self._clock)

    async def follow(self) -> Never:
        """Look for another key until cancelled."""
        while True:
            await anyio.sleep(LOOK_S)
            self._told.look()

    def _current(self) -> SigningKey:
        now = self._told.now
        if now is not self._of:
            self._key, self._of = SigningKey.from_bytes(bytes.fromhex(now.signing_key)), now
        return self._key

    def _known(self) -> dict[str, Ed25519PublicKey]:
        key, now_s = self._current(), time.time()
        former = {
            kid: Ed25519PublicKey.from_public_bytes(bytes.fromhex(one.public))
            for kid, one in self._told.now.former_keys.items()
            if one.until > now_s
        }
        return {**former, key.kid: key.public}
