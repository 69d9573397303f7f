"""What identity does when others' facts arrive: HR's people, billing's plans, warnings from SSO and Security Center."""

from uuid import UUID
from zoneinfo import ZoneInfo

from shared.database.transaction import Transaction
from shared.events.handler import on
from subgraphs.identity import people
from subgraphs.identity.events import (
    EmployeeHired,
    EmployeeTerminated,
    EmployeeTransferred,
    PlatformInvoiceOverdue,
    PlatformPlanChanged,
    ScimUserDeprovisioned,
    SecurityThreatDetected,
    SsoIdentityLinked,
)
from subgraphs.identity.models import AccessRole, EmployeeLink, Tenant, TenantStatus, UserAccount, UserAccountStatus
from subgraphs.identity.models.people import AlreadyMember, LastOwner
from subgraphs.identity.models.tenants import GRACE_DAYS, SeatLimit
from subgraphs.identity.models.users import folded
from subgraphs.identity.revocations import end_sessions, outdate
from subgraphs.identity.tenancy import acting_in, own_tenant


@on("employee.hired")
async def note_employee(tx: Transaction, event: EmployeeHired) -> None:
    """Know whose address it is and whom they report to; invite them where the tenant links HR and access."""
    link = await _link(tx, event.employee_id) or tx.add(EmployeeLink(employee_id=event.employee_id))
    link.work_email, link.manager_id, link.left_on = folded(event.work_email), event.manager_id, None
    if event.work_email and (await own_tenant(tx)).invites_employees:
        member = await tx.first_where(AccessRole, AccessRole.built_in, AccessRole.name == "Member")
        known = await tx.first_where(UserAccount, UserAccount.email == folded(event.work_email))
        if member and (known is None or known.status is UserAccountStatus.DEACTIVATED):
            try:
                await people.invite(tx, event.work_email, member, name=event.full_name)
            except (SeatLimit, AlreadyMember):
                return  # an administrator sees the employee without access, and the plan without seats


@on("employee.transferred")
async def note_manager(tx: Transaction, event: EmployeeTransferred) -> None:
    """Let row scope TEAM follow the new manager."""
    link = await _link(tx, event.employee_id)
    if link is not None:
        link.manager_id = event.manager_id


@on("employee.terminated")
async def note_leaving(tx: Transaction, event: EmployeeTerminated) -> None:
    """Close the account after the last working day; until then it is only noted, and can be taken back (HR-15)."""
    link = await _link(tx, event.employee_id) or tx.add(EmployeeLink(employee_id=event.employee_id))
    link.left_on = event.left_on
    today = tx.now().astimezone(ZoneInfo((await own_tenant(tx)).timezone)).date()
    if event.left_on is not None and event.left_on < today and link.work_email:
        account = await tx.first_where(UserAccount, UserAccount.email == link.work_email, lock=True)
        await _let_go(tx, account)


@on("platform_plan.changed")
async def note_plan(tx: Transaction, event: PlatformPlanChanged) -> None:
    """Keep plan and seats for token claims and invitations; a settled debt ends the suspension it caused (BIL-6)."""
    child = await _child(tx, event.subscribed_tenant_id)
    if child is None:
        return
    child.plan, child.seats = event.plan_code, event.seats
    is_settled = event.status == "ACTIVE" and child.status is TenantStatus.SUSPENDED and child.suspended_for_debt
    if is_settled:
        child.reactivate()
    async with acting_in(tx, child.id) as there:
        tenant = await own_tenant(there, lock=True)
        tenant.plan, tenant.seats = event.plan_code, event.seats
        tenant.ask_privileged_for_mfa()
        if is_settled:
            there.publish(tenant.reactivate())


@on("platform_invoice.overdue")
async def suspend_debtor(tx: Transaction, event: PlatformInvoiceOverdue) -> None:
    """Suspend a tenant that is 30 days late (BIL-6)."""
    child = await _child(tx, event.subscribed_tenant_id)
    if child is None or event.days_late < GRACE_DAYS or child.status is not TenantStatus.ACTIVE:
        return
    reason = f"The platform's invoice is {event.days_late} days late."
    child.suspend(reason, for_debt=True)
    async with acting_in(tx, child.id) as there:
        there.publish((await own_tenant(there, lock=True)).suspend(reason, for_debt=True))
        await outdate(there, child.id)


@on("sso.identity.linked")
async def make_password_optional(tx: Transaction, event: SsoIdentityLinked) -> None:
    """Note that a person can come in by an outside provider."""
    account = await tx.first_where(UserAccount, UserAccount.id == event.user_id, lock=True)
    if account is not None:
        account.password_optional = True


@on("scim.user.deprovisioned")
async def follow_provider(tx: Transaction, event: ScimUserDeprovisioned) -> None:
    """Deactivate whom the identity provider took out, in this tenant only (IDN-9)."""
    await _let_go(tx, await tx.first_where(UserAccount, UserAccount.id == event.user_id, lock=True))


@on("security.threat.detected")
async def lock_account(tx: Transaction, event: SecurityThreatDetected) -> None:
    """Lock the account and end its sessions."""
    account = await tx.first_where(UserAccount, UserAccount.id == event.user_id, lock=True) if event.user_id else None
    if account is not None:
        account.lock()
        await end_sessions(tx, account.id)


async def _link(tx: Transaction, employee_id: UUID) -> EmployeeLink | None:
    return await tx.first_where(EmployeeLink, EmployeeLink.employee_id == employee_id, lock=True)


async def _child(tx: Transaction, tenant_id: UUID) -> Tenant | None:
    """Return what this tenant knows of one it made, locked; None for any other: nobody acts on a stranger's tenant."""
    return await tx.first_where(Tenant, Tenant.id == tenant_id, Tenant.parent_tenant_id == tx.tenant_id, lock=True)


async def _let_go(tx: Transaction, account: UserAccount | None) -> None:
    if account is None or account.status is UserAccountStatus.DEACTIVATED:
        return
    try:
        await people.deactivate(tx, account)
    except LastOwner:
        await end_sessions(tx, account.id)  # a tenant keeps an owner (IDN-3); the next one takes over by hand
