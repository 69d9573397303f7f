"""Commands on keys for programs (IDN-6)."""

from datetime import datetime
from uuid import UUID

from shared.commands.command import command
from shared.database.transaction import Transaction
from subgraphs.identity import models
from subgraphs.identity.graph.commands import may_grant
from subgraphs.identity.models import ServiceCredentialKind
from subgraphs.identity.models.keys import check_expiry, make_key, networks, origins, slugs
from subgraphs.identity.revocations import revoke


@command("identity.api_key.issue")
async def issue_api_key(
    tx: Transaction,
    label: str,
    role_id: UUID,
    expires_at: datetime,
    kind: ServiceCredentialKind = ServiceCredentialKind.API_KEY,
    allowed_addresses: tuple[str, ...] = (),
    allowed_origins: tuple[str, ...] = (),
    modules: tuple[str, ...] = (),
) -> models.ServiceCredential:
    """Make a key for a program, bound to a role and, if wanted, to addresses, pages and modules; this answer alone shows it."""
    role = await tx.get(models.AccessRole, role_id)
    await may_grant(tx, role)
    check_expiry(expires_at, tx.now())
    key, prefix, secret_hash = make_key(tx.tenant_id)
    credential = tx.add(
        models.ServiceCredential(
            label=label,
            role_id=role.id,
            kind=kind,
            prefix=prefix,
            secret_hash=secret_hash,
            expires_at=expires_at,
            allowed_addresses=networks(allowed_addresses),
            allowed_origins=origins(allowed_origins),
            modules=slugs(modules),
        )
    )
    if maker := await tx.first_where(models.ServiceCredential, models.ServiceCredential.id == tx.principal.user):
        credential.must_be_within(maker)
    tx.publish(credential.issued(key))
    return credential


@command("identity.api_key.revoke")
async def revoke_api_key(tx: Transaction, id: UUID) -> models.ServiceCredential:
    """Make a key worthless."""
    credential = await tx.get(models.ServiceCredential, id)
    tx.publish(credential.revoke())
    await revoke(tx, credential.id)
    return credential
