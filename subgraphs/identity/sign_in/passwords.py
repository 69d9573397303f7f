"""Passwords: argon2id, off the event loop; an unknown address costs as much time as a known one (IDN-4)."""

import functools
from pathlib import Path

import anyio
from anyio.to_thread import run_sync
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from shared.errors import InvalidInput

SHORTEST = 12
_LONGEST = 1000
_hasher = PasswordHasher()


class WeakPassword(InvalidInput):
    """The password is too short, or known to everyone."""

    code = "WEAK_PASSWORD"

    def __init__(self) -> None:
        """Say what would do."""
        super().__init__(f"Choose a password of at least {SHORTEST} characters that is not on a list of known ones.")


async def hashed(password: str) -> str:
    """Return the hash to keep of a password."""
    return await run_sync(_hasher.hash, password, limiter=_few())


async def is_right(password: str, kept: str | None) -> bool:
    """Tell whether a password is the one that `kept` is the hash of; None takes as long and is never right."""
    if len(password) > _LONGEST:
        password, kept = "", None
    return await run_sync(_verify, password, kept, limiter=_few())


def is_outdated(kept: str) -> bool:
    """Tell whether a hash was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(kept)


def must_be_strong(password: str, email: str) -> None:
    """Raise WeakPassword for a short, a known or a guessable password (IDN-4)."""
    plain = password.casefold()
    guessable = len(set(plain)) < 5 or email.partition("@")[0] == plain or email == plain
    if not SHORTEST <= len(password) <= _LONGEST or guessable or plain in _breached():
        raise WeakPassword


def _verify(password: str, kept: str | None) -> bool:
    try:
        return _hasher.verify(kept or _nobody(), password) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


@functools.cache
def _nobody() -> str:
    return _hasher.hash("nobody's password")


@functools.cache
def _breached() -> frozenset[str]:
    return frozenset((Path(__file__).parent / "known_passwords.txt").read_text().split())


@functools.cache
def _few() -> anyio.CapacityLimiter:
    return anyio.CapacityLimiter(2)  # each takes 64 MiB and a core for about 50 ms
