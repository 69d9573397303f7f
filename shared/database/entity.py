"""Rows: SQLAlchemy mapped dataclasses whose values are checked by Pydantic whenever they are set (ADR 0002)."""

import dataclasses
import inspect
import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import partial
from types import UnionType
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    ColumnElement,
    Date,
    DateTime,
    Dialect,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Text,
    TypeDecorator,
    Uuid,
    event,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, composite, mapped_column
from sqlalchemy.types import TypeEngine

from shared.errors import Invalid
from shared.language import Phrase
from shared.values import Money, Part, Ref

_METADATA: dict[str, MetaData] = {}
_MODELS: dict[str, list[type["Entity"]]] = {}


@dataclasses.dataclass(frozen=True, slots=True)
class Default:
    """The value a column has in a new row."""

    value: Any


def default(value: Any) -> Any:
    """Give a column of an entity the value that new rows start with: `status: Mapped[S] = default(S.OPEN)`."""
    return Default(value)


@dataclasses.dataclass(frozen=True, slots=True)
class FieldFacts:
    """What the kit knows of one field of an entity, read from its annotation."""

    name: str
    type: Any  # the Python type without None and marks
    nullable: bool
    adapter: TypeAdapter[Any]
    ref: Ref | None
    marks: tuple[object, ...]


def module_of(package: str) -> str:
    """Return the slug of the module that a dotted name lies in: `subgraphs.crm.models` -> `crm`."""
    parts = package.split(".")
    return parts[1] if parts[0] == "subgraphs" and len(parts) > 1 else parts[0]


def metadata_of(slug: str) -> MetaData:
    """Return the one MetaData of a module; its tables lie in the schema named like the module (contracts.md)."""
    names = {
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
    return _METADATA.setdefault(slug, MetaData(schema=slug, naming_convention=names))


def models_of(slug: str) -> Sequence[type["Entity"]]:
    """Return a module's models that are loaded, also those without a GraphQL type.

    SQLAlchemy's registry holds those of all modules that this process, or the zygote before it, has loaded.
    """
    return _MODELS.get(slug, ())


class JsonOf(TypeDecorator[Any]):
    """A `jsonb` column that holds what a Pydantic adapter reads and writes: parts, lists of parts."""

    impl = JSONB(none_as_null=True)
    cache_ok = True

    def __init__(self, adapter: TypeAdapter[Any], name: str) -> None:
        """Use `adapter` for both ways; `name` tells two columns apart in SQLAlchemy's statement cache."""
        super().__init__()
        self._adapter = adapter
        self.name = name

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Write the value as JSON."""
        return None if value is None else self._adapter.dump_python(value, mode="json", by_alias=True)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Read the value from JSON."""
        return None if value is None else self._adapter.validate_python(value)


class EnumText(TypeDecorator[Any]):
    """An enum as text with its values: a new value needs no migration of a PostgreSQL type."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[Enum]) -> None:
        """Store values of `kind`."""
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Write the enum's value."""
        return None if value is None else self.kind(value).value

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Read the enum."""
        return None if value is None else self.kind(value)


class _Base(MappedAsDataclass, DeclarativeBase, kw_only=True):
    """The root of all mapped classes; each module's tables hang on a MetaData of their own."""


class Entity(_Base, kw_only=True):
    """A row of a module's own table: tenant, id, version and times come from the kit (conventions.json, implicit_columns).

    `__owner__` names the column that row scope OWN and TEAM compare with the caller, `__within__` instead the column of the
    row that it is a part of: who may not read that reads no part of it. `__unique__` lists unique keys, each read as
    (tenant_id, …); `__indexes__` likewise. `__append_only__` marks a table whose rows the module can neither change
    nor delete: its role has no right to (rls.sql).
    """

    __abstract__ = True
    __owner__: ClassVar[str | None] = None
    __within__: ClassVar[str | None] = None
    __unique__: ClassVar[tuple[tuple[str, ...], ...]] = ()
    __indexes__: ClassVar[tuple[tuple[str, ...], ...]] = ()
    __append_only__: ClassVar[bool] = False
    __facts__: ClassVar[dict[str, FieldFacts]] = {}

    tenant_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, init=False, sort_order=-10)
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, init=False, sort_order=-9)
    version: Mapped[int] = mapped_column(Integer, init=False, nullable=False, sort_order=90)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), init=False, sort_order=91)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), init=False, sort_order=92)
    created_by: Mapped[UUID | None] = mapped_column(Uuid, init=False, default=None, sort_order=93)

    @classmethod
    def of_team(cls, user: UUID) -> ColumnElement[bool] | None:
        """Return which rows row scope TEAM reaches beside a user's own and those of whom they lead; None for no others."""
        return None

    def __init_subclass__(cls, **options: Any) -> None:
        """Read the annotations once: make columns, keys and checks of them, then let SQLAlchemy map the class."""
        slug = module_of(cls.__module__)
        cls.metadata = metadata_of(slug)
        cls.__tablename__ = snake(cls.__name__)
        cls.__facts__ = {fact.name: fact for fact in _read_facts(cls)}
        for position, fact in enumerate(cls.__facts__.values()):
            _place(cls, fact, position)
        cls.__table_args__ = (*_constraints(cls, slug), *getattr(cls, "__table_args__", ()))
        if cls.__append_only__:
            cls.__table_args__ += ({"comment": "@append_only"},)
        cls.__mapper_args__ = {"version_id_col": cls.__dict__.get("version", Entity.__dict__["version"])}
        super().__init_subclass__(**options)
        for fact in cls.__facts__.values():
            event.listen(getattr(cls, fact.name), "set", partial(_check, fact), retval=True, propagate=True)
        _MODELS.setdefault(slug, []).append(cls)


def snake(name: str) -> str:
    """Return `InvoiceLine` as `invoice_line`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _read_facts(cls: type[Entity]) -> list[FieldFacts]:
    hints = get_type_hints(cls, include_extras=True)
    facts: list[FieldFacts] = []
    for name in inspect.get_annotations(cls):
        if get_origin(hints[name]) is not Mapped:
            continue
        (hint,) = get_args(hints[name])
        marks: tuple[object, ...] = ()
        plain = hint
        if get_origin(hint) is Annotated:
            plain, *found = get_args(hint)
            marks = tuple(found)
        options = get_args(plain) if get_origin(plain) in (Union, UnionType) else (plain,)
        kinds = [option for option in options if option is not type(None)]
        facts.append(
            FieldFacts(
                name=name,
                type=kinds[0],
                nullable=len(kinds) < len(options),
                adapter=TypeAdapter(hint),
                ref=next((mark for mark in marks if isinstance(mark, Ref)), None),
                marks=marks,
            )
        )
    return facts


def _place(cls: type[Entity], fact: FieldFacts, position: int) -> None:
    given = cls.__dict__.get(fact.name)
    if given is not None and not isinstance(given, Default):
        return  # the author wrote a mapped_column() by hand
    options: dict[str, Any] = {"default": given.value} if isinstance(given, Default) else {}
    if fact.type is Money:
        amount = mapped_column(f"{fact.name}_amount", Numeric(20, 6), nullable=fact.nullable, sort_order=position)
        currency = mapped_column(f"{fact.name}_currency", String(3), nullable=fact.nullable, sort_order=position)
        column: Any = composite(Money, amount, currency, return_none_on=_no_money, **options)
    else:
        if isinstance(given, Default):  # not `default`: SQLAlchemy would also put that in for a None that is meant
            options = {"default_factory": lambda: given.value}
        column = mapped_column(_sql_type(fact), nullable=fact.nullable, sort_order=position, **options)
    setattr(cls, fact.name, column)


def _no_money(amount: Decimal | None, _currency: str | None) -> bool:
    return amount is None


_SQL_TYPES: dict[type, TypeEngine[Any]] = {
    str: Text(),
    bool: Boolean(),
    int: Integer(),
    UUID: Uuid(),
    Decimal: Numeric(20, 10),
    date: Date(),
    datetime: DateTime(timezone=True),
}


def _sql_type(fact: FieldFacts) -> TypeEngine[Any]:
    if fact.type in _SQL_TYPES:
        return _SQL_TYPES[fact.type]
    if isinstance(fact.type, type) and issubclass(fact.type, Enum):
        return EnumText(fact.type)
    return JsonOf(fact.adapter, fact.name)


def _constraints(cls: type[Entity], slug: str) -> list[Any]:
    found: list[Any] = []
    for fact in cls.__facts__.values():
        if fact.ref and fact.ref.module in (None, slug):
            target = f"{slug}.{snake(fact.ref.name)}"
            # Deferred to the commit: a row and what it refers to may be written in either order.
            found.append(
                ForeignKeyConstraint(
                    ["tenant_id", fact.name],
                    [f"{target}.tenant_id", f"{target}.id"],
                    deferrable=True,
                    initially="DEFERRED",
                )
            )
        if fact.ref:
            found.append(Index(None, "tenant_id", fact.name))
        if isinstance(fact.type, type) and issubclass(fact.type, Enum):
            values = ", ".join(f"'{member.value}'" for member in fact.type)
            found.append(CheckConstraint(f"{fact.name} in ({values})", name=fact.name))
    found += [
        Index(f"uq_{cls.__tablename__}_{'_'.join(key)}", "tenant_id", *key, unique=True) for key in cls.__unique__
    ]
    found += [Index(None, "tenant_id", *key) for key in cls.__indexes__]
    return found


def _check(fact: FieldFacts, _row: Entity, value: Any, _old: Any, _initiator: Any) -> Any:
    try:
        return fact.adapter.validate_python(value)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise Invalid(
            "{fact_name}: {problem}.", fact.name, fact_name=fact.name, problem=Phrase.of_problem(problem)
        ) from error


def is_part(kind: Any) -> bool:
    """Tell whether a type is a Part."""
    return isinstance(kind, type) and issubclass(kind, Part)
