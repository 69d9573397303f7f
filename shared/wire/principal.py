"""Who is asking: the principal that tokens carry, and what its permissions allow."""

from enum import StrEnum
from uuid import UUID

import msgspec


class RowScope(StrEnum):
    """Which rows a permission reaches: one's own, one's team's, or all of the tenant's (contracts.md, "Sign-in")."""

    OWN = "own"
    TEAM = "team"
    TENANT = "tenant"


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A verified caller. Only a token, or the envelope of an event, makes one; never an argument or a header.

    `user` is None for the system itself (event handlers, schedules). `tenant` is None only on sign-in paths.
    `permissions` are patterns `<module>.<entity>.<action>`, ending in `*` at a dot, or `*.read` for an action everywhere,
    `@own` or `@team` behind. `address` is where the request came from, known of requests alone.
    """

    tenant: UUID | None
    user: UUID | None = None
    session: UUID | None = None
    permissions: tuple[str, ...] = ()
    modules: tuple[str, ...] = ("*",)
    employee: UUID | None = None
    team: tuple[UUID, ...] = ()
    locale: str = "en"
    address: str | None = None
    plan: str = ""  # the tenant's, where an access token made the principal; the gateway's quotas go by it

    def is_entitled(self, module: str) -> bool:
        """Tell whether the principal may use a module, by its slug."""
        return "*" in self.modules or module in self.modules

    def scope(self, permission: str) -> RowScope | None:
        """Return the widest row scope in which the principal holds `permission`, or None."""
        scopes = {scope for pattern in self.permissions if (scope := _match(pattern, permission))}
        return next((scope for scope in reversed(RowScope) if scope in scopes), None)


def system(tenant: UUID | None) -> Principal:
    """Return the platform's own principal in `tenant`, with every permission: for events and schedules."""
    return Principal(tenant=tenant, permissions=("*",))


def _match(pattern: str, permission: str) -> RowScope | None:
    name, _, scope = pattern.partition("@")
    holds = (
        name in (permission, "*")
        or (name.endswith(".*") and permission.startswith(name[:-1]))
        or (name.startswith("*.") and permission.endswith(name[1:]))
    )
    if holds:
        return RowScope(scope) if scope else RowScope.TENANT
    return None
