"""Commands on a tenant's own roles (IDN-3). Whoever holds a role that changes is asked for a new token at once."""

from uuid import UUID

from shared.commands.command import command
from shared.database.transaction import Transaction
from shared.errors import Invalid
from subgraphs.identity import holders, models
from subgraphs.identity.graph.commands import grantable, may_grant
from subgraphs.identity.models import AccessRoleScopeRule
from subgraphs.identity.models.roles import check_patterns
from subgraphs.identity.tenancy import own_tenant


@command("identity.role.define")
async def define_role(
    tx: Transaction,
    name: str,
    permissions: tuple[str, ...],
    scope_rule: AccessRoleScopeRule = AccessRoleScopeRule.TENANT,
) -> models.AccessRole:
    """Define a role of the tenant's own."""
    role = tx.add(models.AccessRole(name=name, permissions=check_patterns(permissions), scope_rule=scope_rule))
    tx.publish(role.defined())
    return role


@command("identity.role.define")
async def change_role(
    tx: Transaction,
    role_id: UUID,
    name: str | None = None,
    permissions: tuple[str, ...] | None = None,
    scope_rule: AccessRoleScopeRule | None = None,
) -> models.AccessRole:
    """Change what a role of the tenant's own allows, for all who hold it; nobody gives what they have not themselves."""
    role = await _own_role(tx, role_id)
    patterns = None if permissions is None else check_patterns(permissions)
    fact = role.change(name=name, permissions=patterns, scope_rule=scope_rule)
    await may_grant(tx, role)
    tx.publish(fact)
    await holders.outdate_all(tx, role)
    return role


@command("identity.role.define")
async def retire_role(tx: Transaction, role_id: UUID, successor_id: UUID | None = None) -> models.AccessRole:
    """Take a role of the tenant's own out of use; who holds it, people and keys, gets the successor in its place.

    Without a successor a role that somebody holds is refused; so is one that the tenant's provider gives.
    """
    role = await _own_role(tx, role_id)
    successor = await grantable(tx, successor_id) if successor_id else None
    if successor is role:
        raise Invalid("A role can't succeed itself.", "successorId")
    await holders.move(tx, role, successor)
    tx.publish(role.retire(successor))
    return role


async def _own_role(tx: Transaction, role_id: UUID) -> models.AccessRole:
    """Return a role that the caller may change. The tenant is held, so that no token is signed meanwhile."""
    await own_tenant(tx, lock=True)
    role = await tx.get(models.AccessRole, role_id)
    role.must_be_own()
    await may_grant(tx, role)
    return role
