"""Keys for programs (IDN-6)."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import IllegalState, Invalid, Refusal
from shared.values import Ref
from subgraphs.identity.events import ApiKeyIssued, ApiKeyRevoked

_ORIGIN = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?|http://(localhost|127\.0\.0\.1)(:[0-9]{1,5})?")
_SLUG = re.compile(r"[a-z][a-z0-9_]{0,62}")
LONGEST_LIFE = timedelta(days=366)


class ServiceCredentialKind(StrEnum):
    """What kind of program a credential is for."""

    API_KEY = "API_KEY"
    MACHINE = "MACHINE"


class WiderKey(Refusal):
    """Nobody grants what they have not themselves, a program neither (IDN-3)."""

    code = "PRIVILEGE_ESCALATION"

    def __init__(self, field: str) -> None:
        """Name what has to be narrower."""
        super().__init__(
            "A key that is made with a key is bound as that one: name {field} within its own.", field=field
        )
        self.field = (field,)


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
    allowed_addresses: Mapped[tuple[str, ...]] = default(())  # networks, 203.0.113.0/24; none named: from everywhere
    allowed_origins: Mapped[tuple[str, ...]] = default(())  # pages, https://shop.example; none named: no matter which
    modules: Mapped[tuple[str, ...]] = default(())  # slugs; none named: all that the role reaches

    def issued(self, key: str) -> ApiKeyIssued:
        """Let this answer show the key, and return the fact that it exists."""
        object.__setattr__(self, "shown_once", key)
        return ApiKeyIssued.of(self)

    def must_be_within(self, maker: "ServiceCredential") -> None:
        """Raise WiderKey where this key is good from addresses or pages, or for modules, that its maker's is not (IDN-3)."""
        if maker.allowed_addresses and not _is_within(self.allowed_addresses, maker.allowed_addresses):
            raise WiderKey("allowedAddresses")
        for field, mine, makers in (
            ("allowedOrigins", self.allowed_origins, maker.allowed_origins),
            ("modules", self.modules, maker.modules),
        ):
            if makers and not (mine and set(mine) <= set(makers)):
                raise WiderKey(field)

    def revoke(self) -> ApiKeyRevoked:
        """Make the key worthless and return the fact. Raises IllegalState for a revoked one."""
        if self.revoked:
            raise IllegalState("The key {prefix} is revoked already.", prefix=self.prefix)
        self.revoked = True
        return ApiKeyRevoked.of(self)


def make_key(tenant: UUID) -> tuple[str, str, str]:
    """Return a new key, its prefix and its hash. The key names its tenant, so that it is looked up within its walls."""
    prefix = f"mwz_{secrets.token_hex(4)}"
    key = f"{prefix}_{tenant.hex}_{secrets.token_urlsafe(32)}"
    return key, prefix, hashlib.sha256(key.encode()).hexdigest()


def _is_within(inner: tuple[str, ...], outer: tuple[str, ...]) -> bool:
    """Tell whether each network lies in one of the others; none named means all."""
    wide = [ip_network(one) for one in outer]
    return bool(inner) and all(any(_covers(one, ip_network(small)) for one in wide) for small in inner)


def _covers(wide: IPv4Network | IPv6Network, small: IPv4Network | IPv6Network) -> bool:
    return wide.version == small.version and small.network_address in wide and small.broadcast_address in wide


def networks(addresses: Iterable[str]) -> tuple[str, ...]:
    """Return addresses and networks in their usual form, an address as a network of one. Raises Invalid."""
    try:
        return tuple(dict.fromkeys(str(ip_network(one.strip(), strict=False)) for one in addresses))
    except ValueError as error:
        raise Invalid(
            "{error}: write 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32.", "allowedAddresses", error=error
        ) from error


def origins(pages: Iterable[str], field: str = "allowedOrigins") -> tuple[str, ...]:
    """Return origins of pages as browsers send them. Raises Invalid."""
    found = tuple(dict.fromkeys(page.strip().lower().removesuffix("/") for page in pages))
    for page in found:
        if not _ORIGIN.fullmatch(page):
            raise Invalid("{page!r} is no origin: write https://shop.example, without a path.", field, page=page)
    return found


def slugs(modules: Iterable[str]) -> tuple[str, ...]:
    """Return slugs of modules. Raises Invalid for what can't be one."""
    found = tuple(dict.fromkeys(modules))
    for slug in found:
        if not _SLUG.fullmatch(slug):
            raise Invalid("{slug!r} is no module: write its short name, such as crm.", "modules", slug=slug)
    return found


def check_expiry(expires_at: datetime, now: datetime) -> None:
    """Raise Invalid unless a key's end lies ahead, at most a year (IDN-6)."""
    if not now < expires_at <= now + LONGEST_LIFE:
        raise Invalid("A key ends in the future, within a year.", "expiresAt")
