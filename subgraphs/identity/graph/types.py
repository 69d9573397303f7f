"""Identity's types and queries: thin, they call the models."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from shared.database.transaction import Transaction
from shared.database.visibility import visible
from shared.graph.entity import Dashboard, batched, card, entity, field_of_row, query
from shared.values import Part
from shared.wire.principal import RowScope
from subgraphs.identity import models
from subgraphs.identity.models import UserAccountStatus

PRIVATE = "identity.user.read"


@entity(
    models.Tenant,
    filters=("name", "slug_name", "status"),
    sort=("name", "created_at"),
    hidden=("is_operator", "seats", "invites_employees", "suspended_for_debt", "delete_after"),
)
class Tenant:
    """A company that works on the platform. A tenant sees itself, and of those it made their outline (IDN-8)."""


async def _private(tx: Transaction, ids: list[UUID]) -> list[models.UserAccount]:
    """Return the accounts whose private side the caller may see: their own, and those that the permission for it reaches."""
    account = models.UserAccount
    seen = visible(account, tx.principal, tx.principal.scope(PRIVATE) or RowScope.OWN)
    return list(await tx.all(select(account).where(account.id.in_(ids), *seen)))


@entity(
    models.UserAccount,
    root="user",
    filters=("display_name", "status"),
    sort=("display_name", "created_at"),
    hidden=("email", "timezone", "status", "mfa_enabled", "last_login_at", "is_home", "password_optional"),
    guarded={"status": PRIVATE},
)
class UserAccount:
    """A person who works in this tenant. Members see each other's name and locale; the rest takes a permission."""

    @batched()
    @staticmethod
    async def email(tx: Transaction, ids: list[UUID]) -> dict[UUID, str]:
        """The address; null for those who may not see it."""
        return {row.id: row.email for row in await _private(tx, ids)}

    @batched()
    @staticmethod
    async def timezone(tx: Transaction, ids: list[UUID]) -> dict[UUID, str]:
        """The time zone, where it is not the tenant's."""
        return {row.id: row.timezone for row in await _private(tx, ids) if row.timezone}

    @batched()
    @staticmethod
    async def status(tx: Transaction, ids: list[UUID]) -> dict[UUID, UserAccountStatus]:
        """Whether the person can sign in to this tenant; null for those who may not see it."""
        return {row.id: row.status for row in await _private(tx, ids)}

    @batched()
    @staticmethod
    async def mfa_enabled(tx: Transaction, ids: list[UUID]) -> dict[UUID, bool]:
        """Whether a second factor is asked; null for those who may not see it."""
        return {row.id: row.mfa_enabled for row in await _private(tx, ids)}

    @batched()
    @staticmethod
    async def last_login_at(tx: Transaction, ids: list[UUID]) -> dict[UUID, datetime]:
        """When the person last signed in to this tenant."""
        return {row.id: row.last_login_at for row in await _private(tx, ids) if row.last_login_at}

    @field_of_row
    @staticmethod
    def mfa_uri(account: models.UserAccount) -> str | None:
        """What an authenticator reads as a QR code, in the answer that begins a second factor and never again (IDN-5)."""
        return account.uri_shown_once

    @field_of_row
    @staticmethod
    def recovery_codes(account: models.UserAccount) -> list[str] | None:
        """The recovery codes, in the answer that makes them and never again (IDN-5)."""
        return list(account.codes_shown_once) if account.codes_shown_once else None


@entity(models.TenantMembership, filters=("user_account_id", "role_id", "status", "is_owner"), sort=("created_at",))
class TenantMembership:
    """A person's place in this tenant."""


@entity(models.AccessRole, root="role", filters=("name", "built_in", "active"), sort=("name", "created_at"))
class AccessRole:
    """A named bundle of permissions."""


@entity(
    models.ServiceCredential,
    root="api_key",
    filters=("label", "prefix", "revoked", "expires_at"),
    sort=("created_at", "expires_at"),
    hidden=("secret_hash",),
)
class ServiceCredential:
    """A key for a program."""

    @field_of_row
    @staticmethod
    def secret(credential: models.ServiceCredential) -> str | None:
        """The key itself, in the answer that issues it and never again (IDN-6)."""
        return credential.shown_once


@entity(
    models.IdentityProvider,
    filters=("active",),
    sort=("created_at",),
    hidden=("client_secret",),
)
class IdentityProvider:
    """Where a tenant's people sign in; the client's secret is written and never shown."""


@entity(
    models.Session,
    hidden=("left_at",),
    filters=("user_id", "expires_at", "ended_at"),
    sort=("created_at", "expires_at"),
)
class Session:
    """One sign-in on one device; everyone sees their own."""


class IdentityDashboard(Part):
    """People at a glance."""

    active_users: int
    open_invitations: int
    without_second_factor: int


@card(PRIVATE)
async def identity_card(tx: Transaction) -> IdentityDashboard:
    """Active users, open invitations, accounts without second factor."""
    is_active = models.UserAccount.status == UserAccountStatus.ACTIVE
    counts = select(
        func.count().filter(is_active),
        func.count().filter(models.UserAccount.status == UserAccountStatus.INVITED),
        func.count().filter(is_active, ~models.UserAccount.mfa_enabled),
    ).select_from(models.UserAccount)
    active, invited, without = (await tx.session.execute(counts)).one()
    return IdentityDashboard(active_users=active, open_invitations=invited, without_second_factor=without)


@query()
async def me(tx: Transaction) -> models.UserAccount | None:
    """Return the caller's own account; null for a program."""
    if tx.principal.user is None:
        return None
    return await tx.first_where(models.UserAccount, models.UserAccount.id == tx.principal.user)


@query()
async def dashboard(tx: Transaction) -> Dashboard:
    """Return the tenant's dashboard, to which each module adds its card."""
    return Dashboard(tx.tenant_id)
