"""What happens to members, whoever asks for it: a command, or an event."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select

from shared.database.transaction import Transaction
from subgraphs.identity.events import UserInvited
from subgraphs.identity.invitations import leave_invitation
from subgraphs.identity.models import (
    AccessRole,
    TenantMembership,
    TenantMembershipStatus,
    UserAccount,
    UserAccountStatus,
)
from subgraphs.identity.models.people import AlreadyMember, LastOwner
from subgraphs.identity.models.users import folded
from subgraphs.identity.revocations import end_sessions
from subgraphs.identity.tenancy import add_person, own_tenant


async def invite(
    tx: Transaction, email: str, role: AccessRole, *, name: str | None = None, locale: str | None = None
) -> UserAccount:
    """Invite a person to a role; one who left is invited anew. Raises SeatLimit, AlreadyMember."""
    tenant = await own_tenant(tx, lock=True)
    tenant.must_have_seat(await taken_seats(tx))
    account = await tx.first_where(UserAccount, UserAccount.email == folded(email), lock=True)
    if account is None:
        account = await add_person(tx, email, role, name=name, locale=locale or tenant.default_locale)
    else:
        await _invite_again(tx, account, role)
    expires_at = await leave_invitation(tx, account)
    tx.publish(UserInvited.of(account, invited_by_id=tx.principal.user, expires_at=expires_at))
    return account


async def taken_seats(tx: Transaction) -> int:
    """Return how many people count against the plan: members, and those invited."""
    statement = select(func.count(UserAccount.id)).where(UserAccount.status != UserAccountStatus.DEACTIVATED)
    return (await tx.session.execute(statement)).scalar_one()


async def deactivate(tx: Transaction, account: UserAccount) -> None:
    """End a person's time in the tenant: account, membership, sessions (IDN-9). Raises LastOwner (IDN-3)."""
    membership = await membership_of(tx, account.id)
    await keep_an_owner(tx, membership)
    tx.publish(account.deactivate())
    membership.status = TenantMembershipStatus.REMOVED
    await end_sessions(tx, account.id)


async def keep_an_owner(tx: Transaction, leaving: TenantMembership) -> None:
    """Raise LastOwner where a member is the tenant's only owner who can sign in; owners leave one after the other."""
    if not leaving.is_owner:
        return
    await own_tenant(tx, lock=True)
    others = (
        select(func.count(TenantMembership.id))
        .join(UserAccount, UserAccount.id == TenantMembership.user_account_id)
        .where(
            TenantMembership.is_owner,
            TenantMembership.id != leaving.id,
            TenantMembership.status == TenantMembershipStatus.ACTIVE,
            UserAccount.status == UserAccountStatus.ACTIVE,
        )
    )
    if (await tx.session.execute(others)).scalar_one() == 0:
        raise LastOwner


async def membership_of(tx: Transaction, user_id: UUID) -> TenantMembership:
    """Return a person's membership, locked. Every account has one."""
    found = await tx.first_where(TenantMembership, TenantMembership.user_account_id == user_id, lock=True)
    assert found is not None
    return found


async def roles_of(tx: Transaction, membership: TenantMembership) -> Sequence[AccessRole]:
    """Return the roles a member has."""
    return await tx.all(select(AccessRole).where(AccessRole.id.in_(membership.role_ids)))


async def is_owner(tx: Transaction, user_id: UUID | None) -> bool:
    """Tell whether a person is an owner of the tenant; the system counts as one."""
    if user_id is None:
        return True
    owners = (TenantMembership.user_account_id == user_id, TenantMembership.is_owner)
    alive = TenantMembership.status == TenantMembershipStatus.ACTIVE
    return await tx.first_where(TenantMembership, *owners, alive) is not None


async def _invite_again(tx: Transaction, account: UserAccount, role: AccessRole) -> None:
    if account.status is not UserAccountStatus.DEACTIVATED:
        raise AlreadyMember
    membership = await membership_of(tx, account.id)
    account.status = UserAccountStatus.INVITED
    if fact := membership.begin_anew(role, tx.principal.user):
        tx.publish(fact)
