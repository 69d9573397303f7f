"""Letting a person into a tenant: what they may there, and the access token that says so (IDN-1, IDN-2, IDN-7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select, text, update

from shared.database.transaction import Database, Transaction
from shared.wire.principal import Principal
from subgraphs.identity.models import (
    AccessRole,
    EmployeeLink,
    Session,
    Tenant,
    TenantMembership,
    TenantMembershipStatus,
    TenantStatus,
    UserAccount,
    UserAccountStatus,
)
from subgraphs.identity.models.roles import EVERYONE

_TEAM_SIZE = 200
_TEAM = text("""
    with recursive led as (
        select employee_id from employee_link
        where manager_id = :employee and (left_on is null or left_on >= :today)
        union
        select below.employee_id from employee_link below join led on below.manager_id = led.employee_id
        where below.left_on is null or below.left_on >= :today
    )
    select employee_id from led where employee_id <> :employee order by employee_id limit :size
""")
# What is left to an owner of a tenant that is suspended, or closed and not yet deleted (IDN-7).
_IN_ARREARS = ("billing.*", *EVERYONE)
_AFTER_CLOSING = ("data_exports.*", *EVERYONE)


@dataclass(frozen=True, slots=True)
class Device:
    """Where a sign-in comes from."""

    name: str | None
    ip: str | None


@dataclass(frozen=True, slots=True)
class Admission:
    """A person in a tenant, with what a token says of them."""

    principal: Principal
    roles: tuple[str, ...]
    plan: str


async def admit(
    database: Database, user_id: UUID, tenant_id: UUID, *, session_id: UUID, until: datetime, device: Device | None
) -> Admission | None:
    """Return what a person may in a tenant, None where they may not come in.

    With `device` this is a new sign-in, whose session is noted until `until`; without, the session must be alive.
    """
    async with database.transaction(Principal(tenant=tenant_id, user=user_id)) as tx:
        admission = await _standing(tx, user_id, session_id)
        if admission is None:
            return None
        if device is None:
            return admission if await _is_alive(tx, session_id) else None
        await _note_session(tx, user_id, session_id, until, device)
        return admission


async def standing(database: Database, user_id: UUID, tenant_id: UUID, session_id: UUID | None) -> Principal | None:
    """Return what a person may in a tenant now, None where they may not come in or took their session back.

    A session that merely ran out counts: what was asked in it was asked in time.
    """
    async with database.transaction(Principal(tenant=tenant_id, user=user_id)) as tx:
        over = (Session.id == session_id, Session.ended_at.is_not(None))
        if session_id is not None and await tx.first_where(Session, *over) is not None:
            return None
        admission = await _standing(tx, user_id, session_id)
        return admission.principal if admission else None


async def is_alive(database: Database, tenant_id: UUID, session_id: UUID, user_id: UUID) -> bool:
    """Tell whether a session has not been ended in its tenant."""
    async with database.transaction(Principal(tenant=tenant_id, user=user_id)) as tx:
        return await _is_alive(tx, session_id)


async def end_session(database: Database, tenant_id: UUID, session_id: UUID, user_id: UUID) -> None:
    """Note in a tenant that a session is over."""
    async with database.transaction(Principal(tenant=tenant_id, user=user_id)) as tx:
        over = update(Session).where(Session.id == session_id, Session.ended_at.is_(None))
        await tx.session.execute(over.values(ended_at=tx.now()))


async def _standing(tx: Transaction, user_id: UUID, session_id: UUID | None) -> Admission | None:
    tenant = await tx.first_where(Tenant, Tenant.id == tx.tenant_id)
    account = await tx.first_where(
        UserAccount, UserAccount.id == user_id, UserAccount.status == UserAccountStatus.ACTIVE
    )
    membership = await tx.first_where(
        TenantMembership,
        TenantMembership.user_account_id == user_id,
        TenantMembership.status == TenantMembershipStatus.ACTIVE,
    )
    if tenant is None or account is None or membership is None:
        return None
    today = tx.now().astimezone(ZoneInfo(tenant.timezone)).date()
    link = await tx.first_where(EmployeeLink, EmployeeLink.work_email == account.email)
    if link and link.left_on and link.left_on < today and not membership.is_owner:
        return None  # the last working day is over (HR-15); the account is closed by the event's handler
    roles = await tx.all(select(AccessRole).where(AccessRole.id.in_(membership.role_ids), AccessRole.active))
    permissions = _permissions(tenant, membership, roles, tx.now())
    if permissions is None:
        return None
    employee = link.employee_id if link else None
    values = {"employee": employee, "today": today, "size": _TEAM_SIZE}
    team = (await tx.session.execute(_TEAM, values)).scalars().all() if employee else ()
    principal = Principal(
        tenant=tx.tenant_id,
        user=user_id,
        session=session_id,
        permissions=permissions,
        employee=employee,
        team=tuple(team),
        locale=account.locale,
    )
    return Admission(principal, tuple(role.name for role in roles), tenant.plan)


def _permissions(
    tenant: Tenant, membership: TenantMembership, roles: Sequence[AccessRole], now: datetime
) -> tuple[str, ...] | None:
    if tenant.status is TenantStatus.ACTIVE:
        held = dict.fromkeys(pattern for role in roles for pattern in role.patterns)
        return ("*",) if "*" in held else tuple({**held, **dict.fromkeys(EVERYONE)})
    if not membership.is_owner:
        return None
    if tenant.status is TenantStatus.SUSPENDED:
        return _IN_ARREARS
    is_kept = tenant.delete_after is not None and now.date() <= tenant.delete_after
    return _AFTER_CLOSING if tenant.status is TenantStatus.CLOSED and is_kept else None


async def _is_alive(tx: Transaction, session_id: UUID) -> bool:
    alive = (Session.id == session_id, Session.ended_at.is_(None), Session.expires_at > tx.now())
    return await tx.first_where(Session, *alive) is not None


async def _note_session(tx: Transaction, user_id: UUID, session_id: UUID, until: datetime, device: Device) -> None:
    await tx.session.execute(delete(Session).where(Session.user_id == user_id, Session.expires_at < tx.now()))
    # A session that moved between tenants and came back has its row already.
    await tx.session.execute(delete(Session).where(Session.id == session_id))
    session = Session(user_id=user_id, device=device.name, ip=device.ip, expires_at=until)
    tx.stamp(session)
    session.id = session_id
    tx.session.add(session)
    # Not a change of the account: its version stays.
    seen = update(UserAccount).where(UserAccount.id == user_id)
    await tx.session.execute(seen.values(last_login_at=tx.now()), execution_options={"synchronize_session": False})
