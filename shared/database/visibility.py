"""Row scopes in SQL: which rows of a model a principal reaches (contracts.md, "Sign-in")."""

from typing import Any

from sqlalchemy import ColumnElement, false

from shared.database.entity import Entity, module_of, snake
from shared.wire.principal import Principal, RowScope


def read_permission(model: type[Entity]) -> str:
    """Return the permission that reading a model's rows takes: `crm.deal.read`."""
    return f"{module_of(model.__module__)}.{snake(model.__name__)}.read"


def reaches(row: Entity, principal: Principal, permission: str) -> bool:
    """Tell whether a permission, in the row scope in which the caller holds it, reaches a row."""
    scope = principal.scope(permission)
    if scope is None or scope is RowScope.TENANT:
        return scope is RowScope.TENANT
    owner = getattr(row, type(row).__owner__ or "", None)
    who = {principal.user, principal.employee, *(principal.team if scope is RowScope.TEAM else ())}
    return owner is not None and owner in who


def visible(model: type[Entity], principal: Principal, scope: RowScope) -> list[ColumnElement[bool]]:
    """Return the conditions that a row scope puts on a model: its owner column against the caller.

    A model without `__owner__` has no rows in OWN and TEAM scope.
    """
    if scope is RowScope.TENANT:
        return []
    if model.__owner__ is None:
        return [false()]
    owner: Any = getattr(model, model.__owner__)
    who = [member for member in (principal.user, principal.employee) if member is not None]
    if scope is RowScope.TEAM:
        who += principal.team
    return [owner.in_(who)]
