"""Identity's rows and their rules: tenants, people, roles, keys, and what it remembers of employees."""

from subgraphs.identity.models.keys import ServiceCredential, ServiceCredentialKind
from subgraphs.identity.models.people import EmployeeLink, Session, TenantMembership, TenantMembershipStatus
from subgraphs.identity.models.providers import ExternalIdentity, IdentityProvider
from subgraphs.identity.models.roles import AccessRole, AccessRoleScopeRule
from subgraphs.identity.models.tenants import Tenant, TenantMfaPolicy, TenantStatus
from subgraphs.identity.models.users import UserAccount, UserAccountStatus

__all__ = [
    "AccessRole",
    "AccessRoleScopeRule",
    "EmployeeLink",
    "ExternalIdentity",
    "IdentityProvider",
    "ServiceCredential",
    "ServiceCredentialKind",
    "Session",
    "Tenant",
    "TenantMembership",
    "TenantMembershipStatus",
    "TenantMfaPolicy",
    "TenantStatus",
    "UserAccount",
    "UserAccountStatus",
]
