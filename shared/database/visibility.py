"""Row scopes in SQL: which rows of a model a principal reaches (contracts.md, "Sign-in")."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ColumnElement, false, or_, select
from sqlalchemy.orm import LoaderCriteriaOption, Mapper
from sqlalchemy.sql.visitors import InternalTraversal

from shared.database.entity import Entity, models_of, module_of, snake
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

    A model without `__owner__` has no rows in OWN and TEAM scope; one `__within__` another has those of its rows that the
    caller may read.
    """
    if model.__within__ is not None:
        return _within(model, model.__within__, principal, scope)
    if scope is RowScope.TENANT:
        return []
    if model.__owner__ is None:
        return [false()]
    owner: Any = getattr(model, model.__owner__)
    who = [member for member in (principal.user, principal.employee) if member is not None]
    if scope is not RowScope.TEAM:
        return [owner.in_(who)]
    shared = model.of_team(principal.user) if principal.user else None
    reached = owner.in_([*who, *principal.team])
    return [reached if shared is None else or_(reached, shared)]


def _within(model: type[Entity], column: str, principal: Principal, scope: RowScope) -> list[ColumnElement[bool]]:
    whole = _referred_to(model, column)
    may_read = principal.scope(read_permission(whole))
    if may_read is None:
        return [false()]
    narrowed = [*visible(whole, principal, scope), *visible(whole, principal, may_read)]
    return [getattr(model, column).in_(select(whole.id).where(*narrowed))] if narrowed else []


def _referred_to(model: type[Entity], column: str) -> type[Entity]:
    ref = model.__facts__[column].ref
    assert ref is not None, f"{model.__name__}.{column} is no reference"
    return next(one for one in models_of(module_of(model.__module__)) if one.__name__ == ref.name)


class _OwnRows(LoaderCriteriaOption):
    """The tenant's condition on all models of one module.

    SQLAlchemy's own walks through every model that derives from Entity. The zygote has loaded those of many modules, and
    memory that a process walks through, it copies.
    """

    _traverse_internals: ClassVar = [
        *LoaderCriteriaOption._traverse_internals,  # pyright: ignore[reportPrivateUsage]
        ("slug", InternalTraversal.dp_string),  # part of the key of SQLAlchemy's cache of statements
    ]

    def __init__(self, slug: str, tenant: UUID) -> None:
        super().__init__(Entity, lambda model: model.tenant_id == tenant, include_aliases=True)
        self.slug = slug

    def _all_mappers(self) -> Iterator[Mapper[Any]]:
        return (model.__mapper__ for model in models_of(self.slug))


@lru_cache(maxsize=256)
def own_rows(slug: str, tenant: UUID) -> LoaderCriteriaOption:
    """Return the option that keeps an ORM statement to a tenant's rows, in all models of a module (security.md, wall 3)."""
    return _OwnRows(slug, tenant)
