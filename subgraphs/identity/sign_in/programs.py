"""Programs come in by a key: what is asked about it is what is kept, a hash (IDN-6)."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update

from shared.database.transaction import Database, Transaction
from shared.wire.principal import Principal
from subgraphs.identity.models import AccessRole, ServiceCredential, Tenant, TenantStatus
from subgraphs.identity.sign_in.admission import Admission

_KEY = re.compile(r"(mwz_[0-9a-f]{8})_([0-9a-f]{32})_[\w-]{43}")


@dataclass(frozen=True, slots=True)
class Program:
    """Who a key stands for, and what the gateway must see to of it."""

    admission: Admission
    credential: ServiceCredential


async def admit_program(database: Database, key: str) -> Program | None:
    """Return who a key stands for, with the permissions its role has now; None for one that is not good any more.

    The key names its tenant, so that it is looked up within that tenant's walls; its id stands where a person's would.
    """
    form = _KEY.fullmatch(key)
    if form is None:
        return None
    async with database.transaction(Principal(tenant=UUID(form[2]))) as tx:
        credential = await tx.first_where(ServiceCredential, ServiceCredential.prefix == form[1])
        is_right = hmac.compare_digest(
            hashlib.sha256(key.encode()).hexdigest(), credential.secret_hash if credential else ""
        )
        if credential is None or not is_right:
            return None
        admission = await _standing(tx, credential)
        if admission is None:
            return None
        # Not a change of the key: its version stays. Gateways ask once a minute at most.
        used = update(ServiceCredential).where(ServiceCredential.id == credential.id).values(last_used_at=tx.now())
        await tx.session.execute(used, execution_options={"synchronize_session": False})
        return Program(admission, credential)


async def standing(database: Database, key_id: UUID, tenant_id: UUID) -> Principal | None:
    """Return what the program with this key may now, None where there is no such key, or it is not good any more."""
    async with database.transaction(Principal(tenant=tenant_id, user=key_id)) as tx:
        credential = await tx.first_where(ServiceCredential, ServiceCredential.id == key_id)
        admission = await _standing(tx, credential) if credential else None
        return admission.principal if admission else None


async def _standing(tx: Transaction, credential: ServiceCredential) -> Admission | None:
    if credential.revoked or credential.expires_at <= tx.now():
        return None
    role = await tx.first_where(AccessRole, AccessRole.id == credential.role_id, AccessRole.active)
    is_active = (Tenant.id == tx.tenant_id, Tenant.status == TenantStatus.ACTIVE)
    tenant = await tx.find(select(Tenant).where(*is_active).with_for_update(read=True))
    if role is None or tenant is None:
        return None
    principal = Principal(
        tenant=tx.tenant_id,
        user=credential.id,
        permissions=role.patterns,
        modules=credential.modules or ("*",),
    )
    return Admission(principal, (role.name,), tenant.plan, tx.now())
