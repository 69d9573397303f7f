"""Roles: bundles of permissions, and the ones every tenant starts with (tier1.md, 0, "Permissions")."""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import IllegalState, Refusal
from shared.wire.principal import Principal, RowScope
from subgraphs.identity.events import RoleChanged, RoleDefined, RoleRetired

OWNER = "Owner"
# What everyone may who is in a tenant: see the others' names and the tenant's (tier1.md, 13, "Queries"), end own sessions.
EVERYONE = (
    "identity.user_account.read",
    "identity.tenant.read",
    "identity.session.read@own",
    "identity.session.end@own",
    "identity.mfa.manage@own",
)
_PATTERN = re.compile(
    r"^(\*|(\*\.)?[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*\.\*)(@(own|team))?$"
)


class AccessRoleScopeRule(StrEnum):
    """Which rows a role's permissions reach."""

    OWN = "OWN"
    TEAM = "TEAM"
    TENANT = "TENANT"


class UnknownPermission(Refusal):
    """A permission is not of the form `<module>.<entity>.<action>`."""

    code = "UNKNOWN_PERMISSION"
    field = ("permissions",)

    def __init__(self, pattern: str) -> None:
        """Name it."""
        super().__init__(
            "{pattern!r} is no permission: write module.entity.action, module.* or *.action, if wanted with @own or @team.",
            pattern=pattern,
        )


class PrivilegeEscalation(Refusal):
    """Nobody grants what they have not themselves (IDN-3)."""

    code = "PRIVILEGE_ESCALATION"

    def __init__(self, lacking: str) -> None:
        """Name what the granter lacks."""
        super().__init__("You can't grant {permission}: you have not got it yourself.", permission=lacking)


class RoleInUse(Refusal):
    """Somebody holds the role that is to be retired."""

    code = "ROLE_IN_USE"
    field = ("successorId",)

    def __init__(self, role: str, *, holders: int) -> None:
        """Name the role, and how many people, keys and provider rules have it."""
        super().__init__(
            "The role {role_name!r} is still given to {holders}: name a successor, or take it from them first;"
            " what the provider gives is changed at the provider's settings.",
            role_name=role,
            holders=holders,
        )


class AccessRole(Entity):
    """A named bundle of permissions; `permissions` are patterns, with a space between them (contracts.md, "Sign-in")."""

    __unique__ = (("name",),)

    name: Mapped[Annotated[str, Field(min_length=1, max_length=60)]]
    permissions: Mapped[Annotated[str, Field(max_length=8000)]]
    scope_rule: Mapped[AccessRoleScopeRule] = default(AccessRoleScopeRule.TENANT)
    built_in: Mapped[bool] = default(False)
    active: Mapped[bool] = default(True)

    @property
    def is_owner_role(self) -> bool:
        """Whether this is the built-in role of owners."""
        return self.built_in and self.name == OWNER

    @property
    def patterns(self) -> tuple[str, ...]:
        """The permission patterns; those that name no row scope have the role's."""
        scope = "" if self.scope_rule is AccessRoleScopeRule.TENANT else f"@{self.scope_rule.lower()}"
        return tuple(pattern if "@" in pattern else pattern + scope for pattern in self.permissions.split())

    def must_be_own(self) -> None:
        """Raise IllegalState for a role that every tenant has, or one that is retired."""
        if self.built_in:
            raise IllegalState(
                "The role {role_name!r} comes with the platform: define one of your own.", role_name=self.name
            )
        self.must_be_in_use()

    def must_be_in_use(self) -> None:
        """Raise IllegalState for a role that is retired."""
        if not self.active:
            raise IllegalState("The role {role_name!r} is no longer in use.", role_name=self.name)

    def defined(self) -> RoleDefined:
        """Return the fact that the role exists."""
        return RoleDefined.of(self, role_name=self.name)

    def change(
        self, *, name: str | None, permissions: str | None, scope_rule: AccessRoleScopeRule | None
    ) -> RoleChanged:
        """Take over what is given, leave the rest, and return the fact."""
        self.name = self.name if name is None else name
        self.permissions = self.permissions if permissions is None else permissions
        self.scope_rule = self.scope_rule if scope_rule is None else scope_rule
        return RoleChanged.of(self, role_name=self.name)

    def retire(self, successor: "AccessRole | None") -> RoleRetired:
        """Take the role out of use and return the fact."""
        self.active = False
        return RoleRetired(role_id=self.id, role_name=self.name, successor_id=successor.id if successor else None)

    def must_be_granted_by(self, principal: Principal) -> None:
        """Raise PrivilegeEscalation for the first permission of the role that `principal` lacks (IDN-3).

        A program whose key is for some modules has none of the others', whatever its role says.
        """
        for pattern in self.patterns:
            is_held = any(_covers(held, pattern) for held in principal.permissions)
            if not is_held or not principal.is_entitled(pattern.partition(".")[0]):
                raise PrivilegeEscalation(pattern)


def check_patterns(patterns: Iterable[str]) -> str:
    """Return permission patterns as a role keeps them. Raises UnknownPermission."""
    kept: list[str] = []
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern):
            raise UnknownPermission(pattern)
        kept.append(pattern)
    return " ".join(dict.fromkeys(kept))


def _covers(held: str, wanted: str) -> bool:
    """Tell whether all that `wanted` allows is allowed by `held`."""
    held_name, _, held_scope = held.partition("@")
    name, _, scope = wanted.partition("@")
    order = list(RowScope)
    wide = order.index(RowScope(held_scope or "tenant")) >= order.index(RowScope(scope or "tenant"))
    within = (
        held_name in (name, "*")
        or (held_name.endswith(".*") and name.startswith(held_name[:-1]))
        or (held_name.startswith("*.") and name.endswith(held_name[1:]))
    )
    return wide and within
