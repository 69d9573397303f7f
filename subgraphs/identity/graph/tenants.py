"""Commands on tenants: the operator's, and a tenant's own settings (IDN-7, IDN-8)."""

from collections.abc import Callable
from uuid import UUID

from shared.clock import new_id
from shared.commands.command import command
from shared.database.transaction import Transaction
from shared.errors import NotFound
from shared.wire.envelope import Event
from subgraphs.identity import models
from subgraphs.identity.events import UserInvited
from subgraphs.identity.invitations import leave_invitation
from subgraphs.identity.models import TenantMfaPolicy
from subgraphs.identity.models.tenants import FREE_SEATS
from subgraphs.identity.revocations import outdate
from subgraphs.identity.tenancy import (
    NewTenant,
    acting_in,
    copy_into_parent,
    make_tenant,
    must_be_operator,
    own_tenant,
)


@command("identity.tenant.manage")
async def create_tenant(
    tx: Transaction,
    name: str,
    slug_name: str,
    owner_email: str,
    region: str | None = None,
    default_locale: str = "en",
    timezone: str = "UTC",
    base_currency: str = "CNY",
) -> models.Tenant:
    """Make a tenant with its built-in roles and invite its owner; the operator keeps its outline."""
    await must_be_operator(tx)
    new = NewTenant(
        name=name,
        slug=slug_name,
        owner_email=owner_email,
        region=region,
        locale=default_locale,
        timezone=timezone,
        base_currency=base_currency,
        seats=FREE_SEATS,
    )
    async with acting_in(tx, new_id(tx.now())) as there:
        tenant, owner = await make_tenant(there, new)
        expires_at = await leave_invitation(there, owner)
        there.publish(UserInvited.of(owner, invited_by_id=tx.principal.user, expires_at=expires_at))
    return await copy_into_parent(tx, tenant)


@command("identity.tenant.manage")
async def suspend_tenant(tx: Transaction, tenant_id: UUID, reason: str) -> models.Tenant:
    """Stop a tenant; its owners may still sign in to settle what they owe."""
    return await _change(tx, tenant_id, lambda tenant: tenant.suspend(reason))


@command("identity.tenant.manage")
async def reactivate_tenant(tx: Transaction, tenant_id: UUID) -> models.Tenant:
    """Let a suspended tenant work again."""
    return await _change(tx, tenant_id, lambda tenant: tenant.reactivate())


@command("identity.tenant.manage")
async def close_tenant(tx: Transaction, tenant_id: UUID) -> models.Tenant:
    """Close a tenant; owners can export for 30 days, then its data is deleted."""
    return await _change(tx, tenant_id, lambda tenant: tenant.close(tx.now()))


@command("identity.tenant.configure")
async def link_hr_and_access(tx: Transaction, enabled: bool) -> models.Tenant:
    """Invite, or no longer invite, everyone whom HR hires."""
    tenant = await own_tenant(tx, lock=True)
    tenant.invites_employees = enabled
    return tenant


@command("identity.tenant.configure")
async def set_mfa_policy(tx: Transaction, policy: TenantMfaPolicy) -> models.Tenant:
    """Say who can only work here with a second factor (IDN-5); who has none yet comes in to set one up, and no further."""
    tenant = await own_tenant(tx, lock=True)
    tenant.mfa_policy = policy
    await outdate(tx, tenant.id)
    return tenant


@command("identity.tenant.configure")
async def set_allowed_origins(tx: Transaction, origins: tuple[str, ...]) -> models.Tenant:
    """Say which pages may call the API from a browser with this tenant's tokens, in place of those there were."""
    tenant = await own_tenant(tx, lock=True)
    tx.publish(tenant.allow_origins(origins))
    return tenant


async def _change(tx: Transaction, tenant_id: UUID, change: Callable[[models.Tenant], Event]) -> models.Tenant:
    await must_be_operator(tx)
    outline = await tx.get(models.Tenant, tenant_id)
    if outline.parent_tenant_id != tx.tenant_id:
        raise NotFound("Tenant", tenant_id)
    change(outline)
    async with acting_in(tx, tenant_id) as there:
        there.publish(change(await own_tenant(there, lock=True)))
        await outdate(there, tenant_id)
    return outline
