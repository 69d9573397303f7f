"""The facts identity publishes, and its own reading of the facts it hears (tier1.md, 13)."""

from datetime import date, datetime
from uuid import UUID

from shared.wire.envelope import Event
from shared.wire.pages import PAGES_EVENT
from shared.wire.revocation import REVOKED_EVENT


class TenantCreated(Event, type="tenant.created", aggregate="Tenant"):
    """A tenant exists; every module keeps what is said here in its own list of tenants."""

    tenant_id: UUID
    name: str
    slug_name: str
    region: str | None
    default_locale: str
    timezone: str
    base_currency: str
    plan: str
    owner_user_id: UUID


class TenantSuspended(Event, type="tenant.suspended", aggregate="Tenant"):
    """A tenant may do nothing but settle what it owes (IDN-7)."""

    tenant_id: UUID
    reason: str


class TenantReactivated(Event, type="tenant.reactivated", aggregate="Tenant"):
    """A suspended tenant works again."""

    tenant_id: UUID


class TenantClosed(Event, type="tenant.closed", aggregate="Tenant"):
    """A tenant is closed; its data is deleted after `deleteAfter` (IDN-7)."""

    tenant_id: UUID
    closed_at: datetime
    delete_after: date


class UserInvited(Event, type="user.invited", aggregate="UserAccount", key="user_id"):
    """A person was asked to join; the secret goes by mail, never on the stream."""

    user_id: UUID
    email: str
    locale: str
    invited_by_id: UUID | None
    expires_at: datetime


class UserActivated(Event, type="user.activated", aggregate="UserAccount", key="user_id"):
    """A person can sign in to the tenant."""

    user_id: UUID
    email: str
    display_name: str
    locale: str


class UserDeactivated(Event, type="user.deactivated", aggregate="UserAccount", key="user_id"):
    """A person can no longer sign in to the tenant (IDN-9)."""

    user_id: UUID
    email: str


class RoleGranted(Event, type="role.granted", aggregate="TenantMembership", key="user_id"):
    """A member has a further role."""

    user_id: UUID
    role_id: UUID
    role_name: str
    granted_by_id: UUID | None
    scope_rule: str


class RoleRevoked(Event, type="role.revoked", aggregate="TenantMembership", key="user_id"):
    """A member lost a role."""

    user_id: UUID
    role_id: UUID
    role_name: str
    revoked_by_id: UUID | None


class RoleDefined(Event, type="role.defined", aggregate="AccessRole", key="role_id"):
    """A role of the tenant's own exists."""

    role_id: UUID
    role_name: str
    permissions: str
    scope_rule: str


class RoleChanged(Event, type="role.changed", aggregate="AccessRole", key="role_id"):
    """A role allows something else from now on, to all who hold it."""

    role_id: UUID
    role_name: str
    permissions: str
    scope_rule: str


class RoleRetired(Event, type="role.retired", aggregate="AccessRole", key="role_id"):
    """A role is no longer in use; who held it has the successor."""

    role_id: UUID
    role_name: str
    successor_id: UUID | None


class UserMfaChanged(Event, type="user.mfa.changed", aggregate="UserAccount", key="user_id"):
    """A person's sign-in asks for a second factor from now on, or no longer."""

    user_id: UUID
    enabled: bool


class AccessRevoked(Event, type=REVOKED_EVENT, aggregate="Access", key="subject_id"):
    """Access tokens end before their time: all of a session or key (final), or those that a person or tenant had so far.

    Gateways listen to this; `at` is compared with a token's `iat`.
    """

    subject_id: UUID
    is_final: bool
    at: datetime


class AllowedOriginsChanged(Event, type=PAGES_EVENT, aggregate="Tenant"):
    """Other pages may call the API from a browser with this tenant's tokens; gateways ask identity for all there are."""

    tenant_id: UUID
    origins: tuple[str, ...]


class ApiKeyIssued(Event, type="api_key.issued", aggregate="ServiceCredential"):
    """A key for a program exists."""

    service_credential_id: UUID
    prefix: str
    role_id: UUID
    expires_at: datetime


class ApiKeyRevoked(Event, type="api_key.revoked", aggregate="ServiceCredential"):
    """A key is worth nothing from now on."""

    service_credential_id: UUID
    prefix: str


class UserPasswordChanged(Event, type="user.password.changed", aggregate="UserAccount", key="user_id"):
    """A person has another password, by a letter's token: told in all their tenants, for it is the one of all."""

    user_id: UUID


class SessionIssued(Event, type="session.issued", aggregate="Session"):
    """A session was begun without a password: at the tenant's provider, or by whoever runs the machine (`mewayz token`)."""

    session_id: UUID
    user_id: UUID
    issued_to: str


class EmployeeHired(Event, type="employee.hired"):
    """HR: someone works here, for a manager."""

    employee_id: UUID
    full_name: str
    work_email: str | None = None
    manager_id: UUID | None = None


class EmployeeTransferred(Event, type="employee.transferred"):
    """HR: an employee has another manager."""

    employee_id: UUID
    manager_id: UUID | None = None


class EmployeeTerminated(Event, type="employee.terminated"):
    """HR: an employee leaves after the day `leftOn`; null takes an announced leaving back (HR-15)."""

    employee_id: UUID
    left_on: date | None = None


class PlatformPlanChanged(Event, type="platform_plan.changed"):
    """Billing, in the operator's tenant: a tenant has another plan."""

    subscribed_tenant_id: UUID
    plan_code: str
    status: str
    seats: int | None = None


class PlatformInvoiceOverdue(Event, type="platform_invoice.overdue"):
    """Billing, in the operator's tenant: a tenant is late with the platform's own invoice."""

    platform_invoice_id: UUID
    subscribed_tenant_id: UUID
    days_late: int


class SsoIdentityLinked(Event, type="sso.identity.linked"):
    """SSO: a person can sign in at an outside provider."""

    user_id: UUID


class ScimUserDeprovisioned(Event, type="scim.user.deprovisioned"):
    """SSO: the identity provider took a person out."""

    user_id: UUID


class SecurityThreatDetected(Event, type="security.threat.detected"):
    """Security Center: an account behaves like a stolen one."""

    user_id: UUID | None = None
