"""Whose account it is that a provider vouches for: within its own tenant, and its own domains."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from shared.database.transaction import Transaction
from subgraphs.identity import people
from subgraphs.identity.models import (
    AccessRole,
    ExternalIdentity,
    IdentityProvider,
    UserAccount,
    UserAccountStatus,
)
from subgraphs.identity.models.users import folded
from subgraphs.identity.revocations import outdate
from subgraphs.identity.sign_in.oidc.provider import NotBelieved
from subgraphs.identity.tenancy import add_person, own_tenant

_MOST_ROLES = 200


async def account_of(tx: Transaction, provider: IdentityProvider, claims: Mapping[str, Any]) -> UserAccount:
    """Return the account of whom an id token names, active, with the roles that it says.

    Raises NotBelieved for who has none and is given none, and SeatLimit.
    """
    account = await _linked(tx, provider, str(claims["sub"])) or await _link(tx, provider, claims)
    if account.status is UserAccountStatus.INVITED:
        tx.publish(account.activate())
        (await people.membership_of(tx, account.id)).joined_at = tx.now()
    if account.status is not UserAccountStatus.ACTIVE:
        raise NotBelieved(f"the account is {account.status}")
    account.password_optional = True
    if provider.role_claim is not None:
        await _follow_roles(tx, provider, account, claims.get(provider.role_claim))
    return account


async def _linked(tx: Transaction, provider: IdentityProvider, subject: str) -> UserAccount | None:
    named = (ExternalIdentity.issuer == provider.issuer, ExternalIdentity.subject_name == subject)
    link = await tx.first_where(ExternalIdentity, *named)
    return await tx.follow(UserAccount, link.user_account_id) if link else None


async def _link(tx: Transaction, provider: IdentityProvider, claims: Mapping[str, Any]) -> UserAccount:
    email = folded(claims.get("email"))
    if not isinstance(email, str) or claims.get("email_verified") is not True or not provider.admits(email):
        raise NotBelieved("the address is not verified, or of no allowed domain")
    account = await tx.first_where(UserAccount, UserAccount.email == email, lock=True)
    if account is None:
        account = await _new_account(tx, provider, email, claims.get("name"))
    subject = str(claims["sub"])
    tx.add(ExternalIdentity(issuer=provider.issuer, subject_name=subject, user_account_id=account.id))
    return account


async def _new_account(tx: Transaction, provider: IdentityProvider, email: str, name: object) -> UserAccount:
    role = None
    if provider.default_role_id is not None:
        role = await tx.first_where(AccessRole, AccessRole.id == provider.default_role_id, AccessRole.active)
    if role is None:
        raise NotBelieved("nobody invited them, and the provider brings nobody in")
    tenant = await own_tenant(tx, lock=True)
    tenant.must_have_seat(await people.taken_seats(tx))
    shown = name[:200] if isinstance(name, str) and name else None
    return await add_person(tx, email, role, name=shown, locale=tenant.default_locale)


async def _follow_roles(tx: Transaction, provider: IdentityProvider, account: UserAccount, claim: object) -> None:
    """Give the roles that the claim's values are mapped to, and take those that it no longer says; others stay."""
    values: list[Any] = claim if isinstance(claim, list) else [claim]
    said = {one for one in values if isinstance(one, str)}
    wanted: set[UUID] = {one.role_id for one in provider.role_mapping if one.value in said}
    mapped = {one.role_id for one in provider.role_mapping}
    membership = await people.membership_of(tx, account.id)
    held = set(membership.role_ids)
    roles = await tx.all(select(AccessRole).where(AccessRole.id.in_(mapped)).limit(_MOST_ROLES))
    for role in roles:
        if role.id in wanted and role.active and not role.is_owner_role:
            if fact := membership.grant(role, None):
                tx.publish(fact)
        elif role.id in held and role.id not in wanted and not role.is_owner_role:
            tx.publish(membership.revoke(role, None))
            await outdate(tx, account.id)
