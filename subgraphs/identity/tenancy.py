"""Work in another tenant, and new tenants. Identity alone does this: it is the module that tenants come from."""

import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import msgspec
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from shared.clock import new_id
from shared.database.transaction import Transaction
from shared.errors import Forbidden
from subgraphs.identity.events import TenantCreated
from subgraphs.identity.models import AccessRole, Tenant, TenantMembership, TenantStatus, UserAccount
from subgraphs.identity.models.built_in_roles import BUILT_IN, built_in_roles
from subgraphs.identity.models.roles import OWNER
from subgraphs.identity.models.tenants import SlugTaken
from subgraphs.identity.models.users import folded

_ENTER = text("select set_config('app.tenant_id', :tenant, true)")
_NAME_EMAIL = text("select set_config('app.email', :email, true)")
_NOTE_LOGIN = text("""
    insert into sign_in.login (email, user_id) values (:email, :user_id) on conflict (email) do nothing returning user_id
""")
_FIND_LOGIN = text("select user_id from sign_in.login where email = :email")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTenant:
    """What a tenant starts with; `id` is drawn where none is given."""

    name: str
    slug: str
    owner_email: str
    id: UUID | None = None
    owner_name: str | None = None
    region: str | None = None
    locale: str = "en"
    timezone: str = "UTC"
    base_currency: str = "CNY"
    plan: str = "FREE"
    seats: int | None = None
    is_operator: bool = False


@asynccontextmanager
async def acting_in(tx: Transaction, tenant: UUID) -> AsyncIterator[Transaction]:
    """Go on in another tenant within the same database transaction: both tenants' changes and events commit, or none.

    Inside, all walls stand around `tenant`; rows of the tenant that was left can't be read or written until the end.
    """
    await tx.session.flush()
    inner = copy.copy(tx)
    inner.tenant_id, inner.events, inner.guard = tenant, [], None
    inner.principal = msgspec.structs.replace(tx.principal, tenant=tenant)
    inner._facts = None  # the other tenant's facts are not this one's
    info = tx.session.sync_session.info
    await tx.session.execute(_ENTER, {"tenant": str(tenant)})
    info["tx"] = inner
    try:
        yield inner
        await inner.write()
        await tx.session.execute(_ENTER, {"tenant": str(tx.tenant_id)})
    finally:
        info["tx"] = tx


async def own_tenant(tx: Transaction, *, lock: bool = False) -> Tenant:
    """Return the caller's tenant; `lock` makes those who count its seats or owners wait for each other."""
    statement = select(Tenant).where(Tenant.id == tx.tenant_id)
    found = await tx.find(statement.with_for_update() if lock else statement)
    assert found is not None, "every tenant has a row of its own"
    return found


async def must_be_operator(tx: Transaction) -> Tenant:
    """Return the operator's tenant. Raises Forbidden in any other: owners of those hold every permission, not this."""
    tenant = await own_tenant(tx)
    if not tenant.is_operator:
        raise Forbidden("identity.tenant.manage")
    return tenant


async def person_id(tx: Transaction, email: str, wanted: UUID | None = None) -> tuple[UUID, bool]:
    """Return the platform-wide id of the person with this address, and whether it is new: then it is `wanted` (IDN-1).

    The app role sees of the register only the row whose address it names; nothing else tells who is on the platform.
    """
    address = folded(email)
    await tx.session.execute(_NAME_EMAIL, {"email": address})
    made = await tx.session.execute(_NOTE_LOGIN, {"email": address, "user_id": wanted or new_id(tx.now())})
    if (new := made.scalar()) is not None:
        return new, True
    return (await tx.session.execute(_FIND_LOGIN, {"email": address})).scalar_one(), False


async def make_tenant(tx: Transaction, new: NewTenant, owner_id: UUID | None = None) -> tuple[Tenant, UserAccount]:
    """Make a tenant in itself: its row, the built-in roles, the owner's account and membership. Return it and the owner.

    `tx` must be in the new tenant. Publishes `tenant.created`. Raises SlugTaken.
    """
    tenant = Tenant(
        name=new.name,
        slug_name=new.slug,
        plan=new.plan,
        status=TenantStatus.ACTIVE,
        region=new.region,
        default_locale=new.locale,
        timezone=new.timezone,
        base_currency=new.base_currency,
        is_operator=new.is_operator,
        seats=new.seats,
    )
    tx.stamp(tenant)
    tenant.id = tx.tenant_id
    tx.session.add(tenant)
    try:
        await tx.session.flush()
    except IntegrityError as error:
        if "uq_tenant_slug_name" in str(error.orig):
            raise SlugTaken(new.slug) from error
        raise
    owner_role = next(role for role in [tx.add(role) for role in built_in_roles()] if role.name == OWNER)
    owner = await add_person(
        tx, new.owner_email, owner_role, name=new.owner_name, locale=new.locale, wanted_id=owner_id, title="Owner"
    )
    tx.publish(TenantCreated.of(tenant, owner_user_id=owner.id))
    return tenant, owner


async def add_person(
    tx: Transaction,
    email: str,
    role: AccessRole,
    *,
    name: str | None = None,
    locale: str | None = None,
    wanted_id: UUID | None = None,
    title: str | None = None,
) -> UserAccount:
    """Put a person's account and membership into the tenant, invited; a person known elsewhere keeps their id.

    Publishes `role.granted`.
    """
    user_id, is_new = await person_id(tx, email, wanted_id)
    account = UserAccount(
        email=email,
        display_name=name or folded(email).partition("@")[0],
        locale=locale or "en",
        is_home=is_new,
    )
    tx.stamp(account)
    account.id = user_id
    tx.session.add(account)
    titles = {one.name: one.title for one in BUILT_IN}
    membership = tx.add(TenantMembership(title=title or titles.get(role.name, role.name), user_account_id=user_id))
    if fact := membership.grant(role, tx.principal.user):
        tx.publish(fact)
    await tx.session.flush()
    return account


async def copy_into_parent(tx: Transaction, child: Tenant) -> Tenant:
    """Keep in the parent what it may see of a child (IDN-8); `tx` must be in the parent."""
    mirror = Tenant(
        name=child.name,
        slug_name=child.slug_name,
        plan=child.plan,
        status=child.status,
        region=child.region,
        default_locale=child.default_locale,
        timezone=child.timezone,
        base_currency=child.base_currency,
        parent_tenant_id=tx.tenant_id,
        seats=child.seats,
    )
    tx.stamp(mirror)
    mirror.id = child.id
    tx.session.add(mirror)
    await tx.session.flush()
    return mirror
