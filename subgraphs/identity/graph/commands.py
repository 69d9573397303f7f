"""Commands on people and roles (IDN-3, IDN-9)."""

from uuid import UUID

from shared.commands.command import command
from shared.database.transaction import Transaction
from shared.errors import IllegalState
from subgraphs.identity import models, people, revocations
from subgraphs.identity.models import TenantMembershipStatus, UserAccountStatus
from subgraphs.identity.models.roles import PrivilegeEscalation
from subgraphs.identity.tenancy import own_tenant


@command("identity.user.invite")
async def invite_user(
    tx: Transaction, email: str, role_id: UUID, display_name: str | None = None, locale: str | None = None
) -> models.UserAccount:
    """Invite a person to a role; the invitation goes to their address, the answer doesn't hold it."""
    role = await grantable(tx, role_id)
    return await people.invite(tx, email, role, name=display_name, locale=locale)


@command("identity.user.deactivate")
async def deactivate_user(tx: Transaction, user_id: UUID) -> models.UserAccount:
    """End a person's time in this tenant; what they have in other tenants stays (IDN-9).

    It takes their roles away, so it is for whoever may take those.
    """
    account = await tx.get(models.UserAccount, user_id)
    for role in await people.roles_of(tx, await people.membership_of(tx, user_id)):
        await may_grant(tx, role)
    await people.deactivate(tx, account)
    return account


@command("identity.user.deactivate")
async def reactivate_user(tx: Transaction, user_id: UUID) -> models.UserAccount:
    """Let a locked or deactivated person in again, with the roles they had."""
    account = await tx.get(models.UserAccount, user_id)
    if account.status is UserAccountStatus.INVITED:
        raise IllegalState("{display_name} is invited and has yet to accept.", display_name=account.display_name)
    membership = await people.membership_of(tx, user_id)
    for role in await people.roles_of(tx, membership):
        await may_grant(tx, role)
    if account.status is UserAccountStatus.DEACTIVATED:
        (await own_tenant(tx, lock=True)).must_have_seat(await people.taken_seats(tx))
    tx.publish(account.activate())
    membership.status = TenantMembershipStatus.ACTIVE
    return account


@command("identity.role.grant")
async def grant_role(tx: Transaction, user_id: UUID, role_id: UUID) -> models.TenantMembership:
    """Give a member a further role; nobody gives what they have not themselves (IDN-3)."""
    await tx.get(models.UserAccount, user_id)
    role = await grantable(tx, role_id)
    membership = await people.membership_of(tx, user_id)
    if fact := membership.grant(role, tx.principal.user):
        tx.publish(fact)
    return membership


@command("identity.role.grant")
async def revoke_role(tx: Transaction, user_id: UUID, role_id: UUID) -> models.TenantMembership:
    """Take a role from a member; a tenant keeps an owner (IDN-3)."""
    await tx.get(models.UserAccount, user_id)
    role = await tx.get(models.AccessRole, role_id)
    await may_grant(tx, role)
    membership = await people.membership_of(tx, user_id)
    if role.is_owner_role:
        await people.keep_an_owner(tx, membership)
    tx.publish(membership.revoke(role, tx.principal.user))
    await revocations.outdate(tx, user_id)
    return membership


@command("identity.session.end")
async def end_session(tx: Transaction, session_id: UUID) -> models.Session:
    """End a session: it can't be continued, and its last access token counts no more."""
    session = await tx.get(models.Session, session_id)
    await revocations.end_session(tx, session)
    return session


async def grantable(tx: Transaction, role_id: UUID) -> models.AccessRole:
    """Return a role that is in use and that the caller may give. Raises IllegalState, PrivilegeEscalation."""
    role = await tx.get(models.AccessRole, role_id)
    role.must_be_in_use()
    await may_grant(tx, role)
    return role


async def may_grant(tx: Transaction, role: models.AccessRole) -> None:
    """Raise PrivilegeEscalation unless the caller holds all of a role; owners are made and unmade by owners only."""
    role.must_be_granted_by(tx.principal)
    if role.is_owner_role and not await people.is_owner(tx, tx.principal.user):
        raise PrivilegeEscalation(f"the role {role.name}")
