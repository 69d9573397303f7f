"""People as a tenant knows them.

A person has one id on the whole platform and one row in each tenant they belong to; the first of these is their home.
So each tenant's rows stay its own, and what a tenant does to a person ends at its border (IDN-1, IDN-9).
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import IllegalState
from shared.values import Personal, Searchable
from subgraphs.identity.events import UserActivated, UserDeactivated, UserMfaChanged


class UserAccountStatus(StrEnum):
    """Whether a person can sign in to this tenant."""

    INVITED = "INVITED"
    ACTIVE = "ACTIVE"
    LOCKED = "LOCKED"
    DEACTIVATED = "DEACTIVATED"


def folded(email: Any) -> Any:
    """Return an e-mail address as it is compared: without spaces around it, case-folded (IDN-1)."""
    return email.strip().casefold() if isinstance(email, str) else email


Email = Annotated[str, BeforeValidator(folded), Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]

_PERSON = Personal("id", "email")


class UserAccount(Entity):
    """A person who works in this tenant, or did."""

    __owner__ = "id"
    __unique__ = (("email",),)

    uri_shown_once: ClassVar[str | None] = None  # of a new second factor, on the row that shows it; no columns
    codes_shown_once: ClassVar[tuple[str, ...] | None] = None

    email: Mapped[Annotated[Email, _PERSON]]
    display_name: Mapped[Annotated[str, Field(min_length=1, max_length=200), Searchable(), _PERSON]]
    locale: Mapped[Annotated[str, Field(max_length=35)]] = default("en")
    timezone: Mapped[Annotated[str | None, Field(max_length=64)]] = default(None)
    status: Mapped[UserAccountStatus] = default(UserAccountStatus.INVITED)
    mfa_enabled: Mapped[bool] = default(False)
    last_login_at: Mapped[datetime | None] = default(None)
    is_home: Mapped[bool] = default(True)
    password_optional: Mapped[bool] = default(False)

    def activate(self) -> UserActivated:
        """Let the person in and return the fact. Raises IllegalState for one who is in already."""
        if self.status is UserAccountStatus.ACTIVE:
            raise IllegalState("{display_name} is active already.", display_name=self.display_name)
        self.status = UserAccountStatus.ACTIVE
        return UserActivated.of(self)

    def show_once(self, *, uri: str | None, codes: tuple[str, ...]) -> None:
        """Let this answer show what an authenticator needs, and recovery codes."""
        object.__setattr__(self, "uri_shown_once", uri)
        object.__setattr__(self, "codes_shown_once", codes)

    def use_mfa(self, enabled: bool) -> UserMfaChanged:
        """Note whether sign-in asks for a second factor, and return the fact."""
        self.mfa_enabled = enabled
        return UserMfaChanged(user_id=self.id, enabled=enabled)

    def lock(self) -> None:
        """Keep the person out until an administrator lets them in again; changes nothing for one who is out."""
        if self.status is UserAccountStatus.ACTIVE:
            self.status = UserAccountStatus.LOCKED

    def deactivate(self) -> UserDeactivated:
        """End the person's time in this tenant and return the fact. Raises IllegalState for one who is out already."""
        if self.status is UserAccountStatus.DEACTIVATED:
            raise IllegalState("{display_name} is deactivated already.", display_name=self.display_name)
        self.status = UserAccountStatus.DEACTIVATED
        return UserDeactivated.of(self)
