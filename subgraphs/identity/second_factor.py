"""The second factor of a person: codes of an authenticator (RFC 6238), and recovery codes for a lost one (IDN-5).

A person has one for all their tenants, as they have one password.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from pyotp import random_base32
from pyotp.exceptions import OTPVerificationError
from pyotp.totp import TOTP
from sqlalchemy import text

from shared.database.transaction import Transaction

_ISSUER = "Mewayz"
_RECOVERY_CODES = 10
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without the letters that are read as others
_BEGIN = text("""
    insert into sign_in.second_factor (user_id, secret) values (:user_id, :secret)
    on conflict (user_id) do update set secret = :secret, last_step = 0
""")
_SECRET = text("""
    select secret, last_step from sign_in.second_factor
    where user_id = :user_id and (confirmed_at is not null) = :active for update
""")
_SPEND_STEP = text("""
    update sign_in.second_factor set last_step = :step, confirmed_at = coalesce(confirmed_at, :now) where user_id = :user_id
""")
_SPEND_CODE = text("""
    update sign_in.recovery_code set used_at = :now where user_id = :user_id and hash = :hash and used_at is null
    returning user_id
""")
_ADD_CODE = text("insert into sign_in.recovery_code (user_id, hash) values (:user_id, :hash)")


class Connection(Protocol):
    """What runs statements: a transaction of the app role, or of sign-in's own."""

    async def execute(self, statement: Any, parameters: Any = None, /) -> Any:
        """Run one statement."""
        ...


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a person is shown once: the address that an authenticator reads as a QR code, and the recovery codes."""

    uri: str
    recovery_codes: tuple[str, ...]


class SecondFactor:
    """The second factor of one person, within one database transaction."""

    def __init__(self, connection: Connection, user_id: UUID, now: datetime) -> None:
        """Run on `connection`; the app role must have named the person, as `of_caller` does."""
        self._connection = connection
        self._user_id = user_id
        self._now = now

    async def is_active(self) -> bool:
        """Tell whether sign-in asks for it."""
        return await self._secret(active=True) is not None

    async def begin(self, email: str) -> Enrolment:
        """Make a new secret; it counts once a code of it was given. Must not be active."""
        secret = random_base32()
        await self._run(_BEGIN, secret=secret)
        uri = TOTP(secret, name=email, issuer=_ISSUER).provisioning_uri()
        return Enrolment(uri, await self.renew_recovery_codes())

    async def confirm(self, code: str) -> bool:
        """Make it active by the first code of the authenticator; False for a wrong one."""
        return await self._spend_step(code, active=False)

    async def spend(self, code: str) -> bool:
        """Use a code up, the authenticator's or a recovery code; False for one that is wrong, over, or was used."""
        if await self._spend_step(code, active=True):
            return True
        plain = code.strip().lower()
        return (await self._run(_SPEND_CODE, hash=self._hash(plain))).first() is not None

    async def renew_recovery_codes(self) -> tuple[str, ...]:
        """Return new recovery codes; the old ones are worth nothing."""
        await self._run(text("delete from sign_in.recovery_code where user_id = :user_id"))
        codes = tuple(_recovery_code() for _ in range(_RECOVERY_CODES))
        for code in codes:
            await self._run(_ADD_CODE, hash=self._hash(code))
        return codes

    async def end(self) -> None:
        """Ask for a password alone from now on."""
        await self._run(text("delete from sign_in.second_factor where user_id = :user_id"))

    async def _spend_step(self, code: str, *, active: bool) -> bool:
        found = await self._secret(active=active)
        if found is None:
            return False
        try:
            # One step either way: clocks of phones are not exact (RFC 6238, 5.2).
            step = TOTP(found.secret).verify_and_get_timecode(code.strip(), for_time=self._now, valid_window=1)
        except OTPVerificationError:
            return False
        if step <= found.last_step:
            return False
        await self._run(_SPEND_STEP, step=step)
        return True

    async def _secret(self, *, active: bool) -> Any:
        return (await self._run(_SECRET, active=active)).first()

    async def _run(self, statement: Any, **values: Any) -> Any:
        return await self._connection.execute(statement, {"user_id": self._user_id, "now": self._now, **values})

    def _hash(self, code: str) -> bytes:
        return hashlib.sha256(self._user_id.bytes + code.encode()).digest()


async def of_caller(tx: Transaction) -> SecondFactor:
    """Return the caller's own second factor; the app role sees no other in this transaction."""
    assert tx.principal.user is not None
    await tx.session.execute(text("select set_config('app.user_id', :user, true)"), {"user": str(tx.principal.user)})
    return SecondFactor(tx.session, tx.principal.user, tx.now())


def _recovery_code() -> str:
    """Return a code of 79 random bits: nobody guesses it, and its hash tells nothing."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(16))
    return "-".join(letters[start : start + 4] for start in range(0, 16, 4))
