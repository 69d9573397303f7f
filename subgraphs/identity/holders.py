"""Who holds a role: members, and keys of programs."""

from collections.abc import Sequence

from sqlalchemy import cast, or_, select
from sqlalchemy.dialects.postgresql import JSONB

from shared.database.transaction import Transaction
from subgraphs.identity.models import (
    AccessRole,
    IdentityProvider,
    ServiceCredential,
    TenantMembership,
    TenantMembershipStatus,
)
from subgraphs.identity.models.roles import RoleInUse
from subgraphs.identity.revocations import outdate


async def members(tx: Transaction, role: AccessRole) -> Sequence[TenantMembership]:
    """Return the members who have a role; who left doesn't count."""
    further = cast(TenantMembership.further_role_ids, JSONB).contains([str(role.id)])
    active = TenantMembership.status == TenantMembershipStatus.ACTIVE
    held = select(TenantMembership).where(active, or_(TenantMembership.role_id == role.id, further))
    return await tx.all(held.order_by(TenantMembership.id).with_for_update())


async def keys(tx: Transaction, role: AccessRole) -> Sequence[ServiceCredential]:
    """Return the keys of a role that are worth something."""
    good = (ServiceCredential.role_id == role.id, ~ServiceCredential.revoked, ServiceCredential.expires_at > tx.now())
    return await tx.all(select(ServiceCredential).where(*good).with_for_update())


async def outdate_all(tx: Transaction, role: AccessRole) -> None:
    """Let no access token count that was signed for a holder so far."""
    for member in await members(tx, role):
        await outdate(tx, member.user_account_id)
    for key in await keys(tx, role):
        await outdate(tx, key.id)


async def move(tx: Transaction, role: AccessRole, successor: AccessRole | None) -> None:
    """Give all who hold a role its successor in its place. Raises RoleInUse where somebody holds it and there is none."""
    people, programs = await members(tx, role), await keys(tx, role)
    for provider in await tx.all(select(IdentityProvider).where(IdentityProvider.active)):
        if role.id in (provider.default_role_id, *(one.role_id for one in provider.role_mapping)):
            raise RoleInUse(role.name, holders=1)
    if successor is None:
        if people or programs:
            raise RoleInUse(role.name, holders=len(people) + len(programs))
        return
    by = tx.principal.user
    for member in people:
        if gained := member.grant(successor, by):
            tx.publish(gained)
        tx.publish(member.revoke(role, by))
        await outdate(tx, member.user_account_id)
    for key in programs:
        key.role_id = successor.id
        await outdate(tx, key.id)
