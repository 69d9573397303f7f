"""Letting a person into a tenant: what they may there, and the access token that says so (IDN-1, IDN-2, IDN-7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Select, delete, select, text, update

from shared.database.transaction import Database, Transaction
from shared.wire.principal import Principal
from subgraphs.identity.models import (
    AccessRole,
    EmployeeLink,
    Session,
    Tenant,
    TenantMembership,
    TenantMembershipStatus,
    TenantMfaPolicy,
    TenantStatus,
    UserAccount,
    UserAccountStatus,
)
from subgraphs.identity.models.roles import EVERYONE
from subgraphs.identity.revocations import end_session, outdate
from subgraphs.identity.sign_in.store import Family, Place

_TEAM_SIZE = 200
_TEAM = text("""
    with recursive led as (
        select employee_id from employee_link
        where manager_id = :employee and (left_on is null or left_on >= :today)
        union
        select below.employee_id from employee_link below join led on below.manager_id = led.employee_id
        where below.left_on is null or below.left_on >= :today
    ),
    team as (select employee_id from led where employee_id <> :employee order by employee_id limit :size)
    select employee_id from team
    union all
    select account.id from team
    join employee_link using (employee_id) join user_account account on account.email = employee_link.work_email
""")
# What is left to an owner of a tenant that is suspended, or closed and not yet deleted (IDN-7).
_IN_ARREARS = ("billing.*", *EVERYONE)
_AFTER_CLOSING = ("data_exports.*", *EVERYONE)
# ... and to a person who must have a second factor and has none yet (IDN-5): setting one up.
_UNTIL_ENROLLED = ("identity.mfa.manage@own", "identity.user_account.read")
_APPROVES_MONEY = ("hr.payroll.approve", "accounting.entry.approve", "accounting.journal_entry.post")


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
    at: datetime  # when this was so: taken while nobody could change it


async def admit(
    database: Database, family: Family, *, device: Device | None, has_factor: bool | None
) -> Admission | None:
    """Return what a person may in the tenant of their session, None where they may not come in.

    With `device` this is a new sign-in, whose session is noted, or one that comes from another tenant, and was not ended here
    meanwhile; without, the session must be alive. `has_factor` says whether sign-in asked for a second factor, None where it
    was not looked up.
    """
    async with database.transaction(Principal(tenant=family.tenant_id, user=family.user_id)) as tx:
        await _note_factor(tx, family.user_id, has_factor)
        admission = await _standing(tx, family.user_id, family.id, vouched=family.vouched)
        if admission is None:
            return None
        if device is None:
            return admission if await _is_alive(tx, family.id) else None
        if await tx.first_where(Session, Session.id == family.id, Session.ended_at.is_not(None)):
            return None
        await _note_session(tx, family, device)
        return admission


async def standing(database: Database, user_id: UUID, tenant_id: UUID, session_id: UUID | None) -> Principal | None:
    """Return what a person may in a tenant now, None where they may not come in or took their session back.

    A session that merely ran out, or went on in another tenant, counts: what was asked in it was asked in time.
    """
    async with database.transaction(Principal(tenant=tenant_id, user=user_id)) as tx:
        session = await tx.first_where(Session, Session.id == session_id) if session_id else None
        if session is not None and session.ended_at is not None:
            return None
        admission = await _standing(tx, user_id, session_id, vouched=session is not None and session.vouched)
        return admission.principal if admission else None


async def is_alive(database: Database, tenant_id: UUID, session_id: UUID, user_id: UUID) -> bool:
    """Tell whether a session goes on in a tenant."""
    async with database.transaction(Principal(tenant=tenant_id, user=user_id)) as tx:
        return await _is_alive(tx, session_id)


async def leave(database: Database, family: Family) -> None:
    """Note in a tenant that a session went on in another one: its access token here counts no more."""
    async with database.transaction(Principal(tenant=family.tenant_id, user=family.user_id)) as tx:
        here = update(Session).where(Session.id == family.id, Session.ended_at.is_(None))
        await tx.session.execute(here.values(left_at=tx.now()))
        await outdate(tx, family.id)  # not for good: it may come back


async def revoke_sessions(database: Database, ended: Sequence[Family], places: Sequence[Place]) -> None:
    """End sessions of one person in their tenants, and in those of the person's `places` that they have left.

    Their access tokens count no more.
    """
    here = select(Session).where(Session.id.in_([family.id for family in ended])).with_for_update()
    for tenant in dict.fromkeys((*(family.tenant_id for family in ended), *(place.id for place in places))):
        async with database.transaction(Principal(tenant=tenant, user=ended[0].user_id)) as tx:
            for session in await tx.all(here):
                await end_session(tx, session)


async def _standing(tx: Transaction, user_id: UUID, session_id: UUID | None, *, vouched: bool) -> Admission | None:
    account = await tx.first_where(
        UserAccount, UserAccount.id == user_id, UserAccount.status == UserAccountStatus.ACTIVE
    )
    # Held, so that a change of rights comes wholly before this, or after: then it revokes what is signed here.
    membership = await tx.find(_active_membership(user_id).with_for_update(read=True))
    tenant = await tx.find(select(Tenant).where(Tenant.id == tx.tenant_id).with_for_update(read=True))
    if tenant is None or account is None or membership is None:
        return None
    at = tx.now()
    today = tx.now().astimezone(ZoneInfo(tenant.timezone)).date()
    link = await tx.first_where(EmployeeLink, EmployeeLink.work_email == account.email)
    if link and link.left_on and link.left_on < today and not membership.is_owner:
        return None  # the last working day is over (HR-15); the account is closed by the event's handler
    roles = await tx.all(select(AccessRole).where(AccessRole.id.in_(membership.role_ids), AccessRole.active))
    permissions = _permissions(tenant, membership, roles, tx.now())
    if permissions is None:
        return None
    if not (account.mfa_enabled or vouched) and _needs_factor(tenant, membership, permissions):
        permissions = _UNTIL_ENROLLED
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
    return Admission(principal, tuple(role.name for role in roles), tenant.plan, at)


def _active_membership(user_id: UUID) -> Select[TenantMembership]:
    active = TenantMembership.status == TenantMembershipStatus.ACTIVE
    return select(TenantMembership).where(TenantMembership.user_account_id == user_id, active)


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


def _needs_factor(tenant: Tenant, membership: TenantMembership, permissions: tuple[str, ...]) -> bool:
    if tenant.mfa_policy is TenantMfaPolicy.PRIVILEGED:
        held = Principal(tenant=tenant.id, permissions=permissions)
        return membership.is_owner or any(held.scope(one) for one in _APPROVES_MONEY)
    return tenant.mfa_policy is TenantMfaPolicy.EVERYONE


async def _is_alive(tx: Transaction, session_id: UUID) -> bool:
    alive = (Session.ended_at.is_(None), Session.left_at.is_(None), Session.expires_at > tx.now())
    return await tx.first_where(Session, Session.id == session_id, *alive) is not None


async def _note_factor(tx: Transaction, user_id: UUID, has_factor: bool | None) -> None:
    """Know in this tenant too what a person did in another: they have one second factor for all. No change of the account."""
    if has_factor is not None:
        differs = (UserAccount.id == user_id, UserAccount.mfa_enabled != has_factor)
        noted = update(UserAccount).where(*differs).values(mfa_enabled=has_factor)
        await tx.session.execute(noted, execution_options={"synchronize_session": False})


async def _note_session(tx: Transaction, family: Family, device: Device) -> None:
    user_id = family.user_id
    await tx.session.execute(delete(Session).where(Session.user_id == user_id, Session.expires_at < tx.now()))
    # A session that moved between tenants and came back has its row already.
    await tx.session.execute(delete(Session).where(Session.id == family.id))
    session = Session(
        user_id=user_id, device=device.name, ip=device.ip, expires_at=family.expires_at, vouched=family.vouched
    )
    tx.stamp(session)
    session.id = family.id
    tx.session.add(session)
    # Not a change of the account: its version stays.
    seen = update(UserAccount).where(UserAccount.id == user_id)
    await tx.session.execute(seen.values(last_login_at=tx.now()), execution_options={"synchronize_session": False})
