"""Membership, sessions, and which employee a person is."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import Invalid, Refusal
from shared.values import Personal, Ref
from subgraphs.identity.events import RoleGranted, RoleRevoked
from subgraphs.identity.models.roles import AccessRole


class TenantMembershipStatus(StrEnum):
    """Whether a membership holds."""

    ACTIVE = "ACTIVE"
    REMOVED = "REMOVED"


class LastOwner(Refusal):
    """A tenant keeps at least one active owner (IDN-3)."""

    code = "LAST_OWNER"

    def __init__(self) -> None:
        """Say so."""
        super().__init__("This is the last owner: make someone else an owner first.")


class AlreadyMember(Refusal):
    """The person belongs to the tenant already."""

    code = "ALREADY_MEMBER"
    field = ("email",)

    def __init__(self) -> None:
        """Say so."""
        super().__init__("This person is a member already: change their roles instead.")


class TenantMembership(Entity):
    """A person's place in this tenant: the role they came with, and further ones."""

    __owner__ = "user_account_id"
    __unique__ = (("user_account_id",),)

    title: Mapped[Annotated[str, Field(min_length=1, max_length=100)]]
    user_account_id: Mapped[Annotated[UUID, Ref("UserAccount", reverse="memberships")]]
    role_id: Mapped[Annotated[UUID | None, Ref("AccessRole", reverse="memberships")]] = default(None)
    further_role_ids: Mapped[tuple[UUID, ...]] = default(())
    status: Mapped[TenantMembershipStatus] = default(TenantMembershipStatus.ACTIVE)
    joined_at: Mapped[datetime | None] = default(None)
    is_owner: Mapped[bool] = default(False)

    @property
    def role_ids(self) -> tuple[UUID, ...]:
        """The ids of all roles the member has."""
        return (*([self.role_id] if self.role_id else []), *self.further_role_ids)

    def grant(self, role: AccessRole, by: UUID | None) -> RoleGranted | None:
        """Add a role and return the fact; None where the member has it already. `by` is the user who grants."""
        if role.id in self.role_ids:
            return None
        if self.role_id is None:
            self.role_id = role.id
        else:
            self.further_role_ids = (*self.further_role_ids, role.id)
        self.is_owner = self.is_owner or role.is_owner_role
        return RoleGranted(
            user_id=self.user_account_id,
            role_id=role.id,
            role_name=role.name,
            granted_by_id=by,
            scope_rule=role.scope_rule,
        )

    def revoke(self, role: AccessRole, by: UUID | None) -> RoleRevoked:
        """Take a role away and return the fact; the first of the others takes its place.

        Raises Invalid for a role that the member has not.
        """
        if role.id not in self.role_ids:
            raise Invalid("The member has not the role {role_name!r}.", "roleId", role_name=role.name)
        first, *others = [one for one in self.role_ids if one != role.id] or [None]
        self.role_id, self.further_role_ids = first, tuple(one for one in others if one)
        self.is_owner = self.is_owner and not role.is_owner_role
        return RoleRevoked(user_id=self.user_account_id, role_id=role.id, role_name=role.name, revoked_by_id=by)

    def begin_anew(self, role: AccessRole, by: UUID | None) -> RoleGranted | None:
        """Come back after having left, with one role and none of the former; return the fact."""
        self.status, self.is_owner = TenantMembershipStatus.ACTIVE, False
        self.role_id, self.further_role_ids = None, ()
        return self.grant(role, by)


class Session(Entity):
    """One sign-in on one device; a refresh finds it ended and refuses."""

    __owner__ = "user_id"
    __indexes__ = (("user_id", "expires_at"),)

    user_id: Mapped[UUID]
    expires_at: Mapped[datetime]
    device: Mapped[Annotated[str | None, Field(max_length=200), Personal("user_id")]] = default(None)
    ip: Mapped[Annotated[str | None, Field(max_length=64), Personal("user_id")]] = default(None)
    ended_at: Mapped[datetime | None] = default(None)
    left_at: Mapped[datetime | None] = default(None)  # it went on in another tenant, and may come back
    vouched: Mapped[bool] = default(False)  # the tenant's own provider answers for the person, with its factors


class EmployeeLink(Entity):
    """What identity remembers of an employee: whose address it is, whom they report to, their last day."""

    __unique__ = (("employee_id",),)
    __indexes__ = (("work_email",), ("manager_id",))

    employee_id: Mapped[UUID]
    work_email: Mapped[Annotated[str | None, Personal("employee_id", "work_email")]] = default(None)
    manager_id: Mapped[UUID | None] = default(None)
    left_on: Mapped[date | None] = default(None)
