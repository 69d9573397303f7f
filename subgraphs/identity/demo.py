"""The first tenants, with their people and passwords (catalogue, demo.md "Tenants" and "Credentials")."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.clock import DEMO_NAMESPACE
from shared.database.transaction import Database
from shared.demo import founds
from shared.wire.control import DemoTenant, Login
from shared.wire.principal import system
from subgraphs.identity.models import AccessRole, Tenant, TenantMembership, UserAccount, UserAccountStatus
from subgraphs.identity.models.roles import OWNER
from subgraphs.identity.sign_in import passwords
from subgraphs.identity.sign_in.store import open_store
from subgraphs.identity.tenancy import NewTenant, acting_in, add_person, copy_into_parent, make_tenant


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """One who works in a demo tenant; the label makes address and id."""

    label: str
    name: str
    role: str


_LUMEN = (
    DemoPerson("owner", "Lin Yue 林悦", OWNER),
    DemoPerson("member", "Zhou Ran 周然", "Member"),
    DemoPerson("designer", "Tang Wei 唐薇", "Member"),
)
_HARBOUR = (
    DemoPerson("owner", "Grace Ho 何嘉慧", OWNER),
    DemoPerson("admin", "Daniel Yip 叶志明", "Admin"),
    DemoPerson("manager", "Karen Lau 刘凯伦", "Manager"),
    DemoPerson("member", "Ivan Chow 周逸文", "Member"),
    DemoPerson("viewer", "Peter Ng 吴培德", "Viewer"),
    DemoPerson("sales", "Mei Lam 林美", "Sales"),
    DemoPerson("sales-manager", "Victor Tse 谢伟德", "Sales manager"),
    DemoPerson("agent", "Amy Fong 方雅雯", "Agent"),
    DemoPerson("finance", "Helen Mak 麦海伦", "Finance manager"),
    DemoPerson("hr", "Joyce Kwan 关祖儿", "HR"),
    DemoPerson("auditor", "Simon Poon 潘思明", "Auditor"),
)
_PLATFORM = (DemoPerson("owner", "Platform operator 平台运营", OWNER),)


def demo_tenants() -> list[tuple[NewTenant, Sequence[DemoPerson]]]:
    """Return the tenants of a first start: the operator, then lumen and harbour."""
    return [
        (_new("platform", "Platform 平台", "UTC", "CNY", plan="OPERATOR", is_operator=True), _PLATFORM),
        (_new("lumen", "Lumen Studio 流明设计", "Asia/Shanghai", "CNY", locale="zh-CN", seats=3), _LUMEN),
        (_new("harbour", "Harbour & Co. 海港百货", "Asia/Hong_Kong", "HKD", plan="PER_USER", seats=60), _HARBOUR),
    ]


@founds
async def found_tenants(database: Database, extras: Mapping[str, Any], _as_of: date) -> list[DemoTenant]:
    """Make the demo tenants that are missing; return all of them with new passwords, which are kept nowhere else."""
    login: AsyncEngine = extras["identity_login"]
    operator: UUID | None = None
    found: list[DemoTenant] = []
    for new, staff in demo_tenants():
        tenant_id = await plant_tenant(database, new, staff, operator)
        operator = operator or tenant_id
        logins = await give_passwords(database, login, tenant_id, new.slug, staff)
        found.append(DemoTenant(tenant_id, new.slug, logins, is_company=not new.is_operator))
    return found


async def plant_tenant(
    database: Database, new: NewTenant, staff: Sequence[DemoPerson], operator: UUID | None = None
) -> UUID:
    """Make one tenant with its people, all of them active; return its id. One that exists is left as it is.

    `operator` is the tenant that keeps its outline. The first of `staff` is the owner.
    """
    tenant_id = new.id or demo_person_id(new.slug, "tenant", "Tenant")
    async with database.transaction(system(tenant_id)) as tx:
        if await tx.first_where(Tenant, Tenant.id == tenant_id):
            return tenant_id
        named = replace(new, owner_name=staff[0].name)
        tenant, _ = await make_tenant(tx, named, demo_person_id(new.slug, staff[0].label))
        roles = {role.name: role for role in await tx.all(select(AccessRole).limit(100))}
        for person in staff[1:]:
            role, address = roles[person.role], _address(new.slug, person)
            wanted = demo_person_id(new.slug, person.label)
            await add_person(tx, address, role, name=person.name, locale=new.locale, wanted_id=wanted)
        for account in await tx.all(select(UserAccount).limit(1000)):
            tx.publish(account.activate())
        for membership in await tx.all(select(TenantMembership).limit(1000)):
            membership.joined_at = tx.now()
        if operator is not None:
            async with acting_in(tx, operator) as there:
                await copy_into_parent(there, tenant)
    return tenant_id


async def give_passwords(
    database: Database, login: AsyncEngine, tenant_id: UUID, slug: str, staff: Sequence[DemoPerson]
) -> list[Login]:
    """Give the people of a demo tenant new passwords; return their logins."""
    async with database.transaction(system(tenant_id)) as tx:
        active = UserAccount.status == UserAccountStatus.ACTIVE
        ids = {row.email: row.id for row in await tx.all(select(UserAccount).where(active).limit(1000))}
    logins = [
        Login(tenant=slug, email=_address(slug, person), password=secrets.token_urlsafe(12), role=person.role)
        for person in staff
        if _address(slug, person) in ids
    ]
    hashes = [await passwords.hashed(one.password) for one in logins]
    async with open_store(login, database.clock.now()) as store:
        for one, kept in zip(logins, hashes, strict=True):
            await store.set_password(ids[one.email], kept)
    return logins


def demo_person_id(slug: str, label: str, entity: str = "UserAccount") -> UUID:
    """Return the id of a demo tenant's person, as shared.demo names it for other modules."""
    return uuid5(DEMO_NAMESPACE, f"{slug}/identity/{label}/{entity}")


def _address(slug: str, person: DemoPerson) -> str:
    return f"{person.label}@{slug}.example"


def _new(slug: str, name: str, timezone: str, currency: str, **more: object) -> NewTenant:
    values = {"owner_email": f"owner@{slug}.example", "id": demo_person_id(slug, "tenant", "Tenant"), **more}
    return NewTenant(name=name, slug=slug, timezone=timezone, base_currency=currency, **values)  # pyright: ignore[reportArgumentType]
