"""Keys for programs (IDN-6)."""

import hashlib
import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import IllegalState, Invalid
from shared.values import Ref
from subgraphs.identity.events import ApiKeyIssued, ApiKeyRevoked

LONGEST_LIFE = timedelta(days=366)


class ServiceCredentialKind(StrEnum):
    """What kind of program a credential is for."""

    API_KEY = "API_KEY"
    MACHINE = "MACHINE"


class ServiceCredential(Entity):
    """A key for a program, bound to a role; shown once, kept as a hash and a prefix."""

    __unique__ = (("prefix",),)

    shown_once: ClassVar[str | None] = None  # the key itself, on the row that issues it; no column

    label: Mapped[Annotated[str, Field(min_length=1, max_length=100)]]
    role_id: Mapped[Annotated[UUID, Ref("AccessRole", reverse="")]]
    prefix: Mapped[str]
    secret_hash: Mapped[str]
    expires_at: Mapped[datetime]
    kind: Mapped[ServiceCredentialKind] = default(ServiceCredentialKind.API_KEY)
    last_used_at: Mapped[datetime | None] = default(None)
    revoked: Mapped[bool] = default(False)

    def issued(self, key: str) -> ApiKeyIssued:
        """Let this answer show the key, and return the fact that it exists."""
        object.__setattr__(self, "shown_once", key)
        return ApiKeyIssued.of(self)

    def revoke(self) -> ApiKeyRevoked:
        """Make the key worthless and return the fact. Raises IllegalState for a revoked one."""
        if self.revoked:
            raise IllegalState(f"The key {self.prefix} is revoked already.")
        self.revoked = True
        return ApiKeyRevoked.of(self)


def make_key(tenant: UUID) -> tuple[str, str, str]:
    """Return a new key, its prefix and its hash. The key names its tenant, so that it is looked up within its walls."""
    prefix = f"mwz_{secrets.token_hex(4)}"
    key = f"{prefix}_{tenant.hex}_{secrets.token_urlsafe(32)}"
    return key, prefix, hashlib.sha256(key.encode()).hexdigest()


def check_expiry(expires_at: datetime, now: datetime) -> None:
    """Raise Invalid unless a key's end lies ahead, at most a year (IDN-6)."""
    if not now < expires_at <= now + LONGEST_LIFE:
        raise Invalid("A key ends in the future, within a year.", "expiresAt")
