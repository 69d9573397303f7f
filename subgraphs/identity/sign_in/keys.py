"""Keys of access tokens: the newest valid one signs, all that are not over are published (IDN-2)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.wire.token import SigningKey

_SIGNS_FOR = timedelta(days=30)
_ANNOUNCED = timedelta(hours=1)  # a new key is published this long before it signs: gateways know it by then
_LIVES = timedelta(days=31)  # tokens signed in its last minute are over by then


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys that are not over, the oldest first."""

    keys: tuple[tuple[SigningKey, datetime], ...]

    def signing(self, now: datetime) -> SigningKey:
        """Return the newest key whose time has come."""
        return [key for key, valid_from in self.keys if valid_from <= now][-1]


async def key_ring(engine: AsyncEngine, now: datetime) -> KeyRing:
    """Return the keys, after making the next one where it is time."""
    async with engine.begin() as connection:
        ring = await _read(connection, now)
        if _is_due(ring, now):
            await connection.execute(text("select pg_advisory_xact_lock(hashtext('mewayz-signing-key'))"))
            ring = await _read(connection, now)
            if _is_due(ring, now):
                is_signing = bool(ring.keys) and ring.keys[-1][1] + _SIGNS_FOR > now
                await _add(connection, now + _ANNOUNCED if is_signing else now)
                ring = await _read(connection, now)
    return ring


def _is_due(ring: KeyRing, now: datetime) -> bool:
    return not ring.keys or ring.keys[-1][1] + _SIGNS_FOR - _ANNOUNCED <= now


async def _read(connection: AsyncConnection, now: datetime) -> KeyRing:
    rows = await connection.execute(
        text("select private, valid_from from sign_in.signing_key where valid_to > :now order by valid_from"),
        {"now": now},
    )
    return KeyRing(tuple((SigningKey.from_bytes(row.private), row.valid_from) for row in rows))


async def _add(connection: AsyncConnection, valid_from: datetime) -> None:
    key = SigningKey.generate()
    row = {"kid": key.kid, "private": key.to_bytes(), "valid_from": valid_from, "valid_to": valid_from + _LIVES}
    await connection.execute(
        text("insert into sign_in.signing_key values (:kid, :private, :valid_from, :valid_to)"), row
    )
