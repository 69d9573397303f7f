"""A tenant's own OpenID Connect provider, and whom it knows."""

from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import Invalid
from shared.values import Part, Personal, Ref

_MOST = 50


class MappedRole(Part):
    """A value of the provider's role claim, and the role that who has it gets here."""

    value: str = Field(min_length=1, max_length=200)
    role_id: UUID


class IdentityProvider(Entity):
    """Where a tenant's people sign in; there is one at most."""

    __unique__ = (("issuer",),)

    issuer: Mapped[Annotated[str, Field(max_length=500)]]
    client_id: Mapped[Annotated[str, Field(min_length=1, max_length=200)]]
    client_secret: Mapped[Annotated[str | None, Field(max_length=500)]] = default(None)
    allowed_domains: Mapped[tuple[str, ...]] = default(())
    default_role_id: Mapped[Annotated[UUID | None, Ref("AccessRole", reverse="")]] = default(None)
    role_claim: Mapped[Annotated[str | None, Field(max_length=100)]] = default(None)
    role_mapping: Mapped[tuple[MappedRole, ...]] = default(())
    active: Mapped[bool] = default(True)

    def admits(self, email: str) -> bool:
        """Tell whether an address, verified by the provider, is of a domain that it may speak for."""
        return email.rpartition("@")[2] in self.allowed_domains


class ExternalIdentity(Entity):
    """A person as their provider names them: its `sub` stays when addresses change."""

    __unique__ = (("issuer", "subject_name"),)

    issuer: Mapped[str]
    subject_name: Mapped[Annotated[str, Personal("user_account_id")]]
    user_account_id: Mapped[Annotated[UUID, Ref("UserAccount", reverse="")]]


def domains(written: tuple[str, ...]) -> tuple[str, ...]:
    """Return mail domains as they are compared. Raises Invalid for none, too many, or what is no domain."""
    found = tuple(dict.fromkeys(one.strip().casefold().removeprefix("@") for one in written))
    if not found or len(found) > _MOST or not all("." in one and one.strip(".-") == one for one in found):
        raise Invalid("Name the mail domains that the provider speaks for, such as example.com.", "allowedDomains")
    return found
