"""Commands on a tenant's own OpenID Connect provider. Who decides whom it vouches for can be anybody: owners alone do."""

from uuid import UUID

from sqlalchemy import delete

from shared.commands.command import command
from shared.database.transaction import Transaction
from shared.errors import Invalid
from shared.outgoing import check_url
from subgraphs.identity import models, people
from subgraphs.identity.graph.commands import may_grant
from subgraphs.identity.models.providers import MappedRole, domains
from subgraphs.identity.models.roles import PrivilegeEscalation


@command("identity.provider.manage")
async def set_identity_provider(
    tx: Transaction,
    issuer: str,
    client_id: str,
    allowed_domains: tuple[str, ...],
    client_secret: str | None = None,
    default_role_id: UUID | None = None,
    role_claim: str | None = None,
    role_mapping: tuple[MappedRole, ...] = (),
) -> models.IdentityProvider:
    """Let people sign in at the tenant's own provider, in place of the one there was.

    It is believed for addresses of the allowed domains alone. With a default role, people it knows and the tenant does
    not come in with that role; the claim's values give and take the roles they are mapped to, at each sign-in.
    """
    await _owners_only(tx)
    check_url(issuer, allows_loopback=True)  # this machine is refused when it is asked, outside development
    if bool(role_claim) != bool(role_mapping):
        raise Invalid("A role claim and a mapping of its values belong together.", "roleMapping")
    for role_id in {*(one.role_id for one in role_mapping), *([default_role_id] if default_role_id else [])}:
        role = await tx.get(models.AccessRole, role_id)
        await may_grant(tx, role)
        if role.is_owner_role:
            raise PrivilegeEscalation(f"the role {role.name} through a provider")
    await tx.session.execute(delete(models.IdentityProvider))
    return tx.add(
        models.IdentityProvider(
            issuer=issuer,
            client_id=client_id,
            client_secret=client_secret,
            allowed_domains=domains(allowed_domains),
            default_role_id=default_role_id,
            role_claim=role_claim,
            role_mapping=role_mapping,
        )
    )


@command("identity.provider.manage")
async def disable_identity_provider(tx: Transaction, id: UUID) -> models.IdentityProvider:
    """Let nobody sign in there any more; sessions that it opened go on until they are ended."""
    await _owners_only(tx)
    provider = await tx.get(models.IdentityProvider, id)
    provider.active = False
    return provider


async def _owners_only(tx: Transaction) -> None:
    if not await people.is_owner(tx, tx.principal.user):
        raise PrivilegeEscalation("what an owner may")
