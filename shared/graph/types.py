"""Python types as GraphQL types: scalars, money, parts, enums, and the shapes every module shares."""

import dataclasses
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Optional, Union, get_args, get_origin
from uuid import UUID

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.federation.schema_directives import Key
from strawberry.types.field import StrawberryField

from shared.database.entity import Entity, is_part
from shared.graph.directives import Scope, Tenant
from shared.graph.entity import Dashboard
from shared.values import Money, outside_name

_SCALARS: tuple[Any, ...] = (str, bool, int, float, Decimal, date, datetime, strawberry.ID)
GLOBAL = Tenant(scope=Scope.GLOBAL)
OWN = Tenant(scope=Scope.TENANT)


@strawberry.federation.type(name="Money", shareable=True, directives=[GLOBAL])
class MoneyType:
    """An exact amount in one currency, printed with the currency's minor units."""

    @strawberry.field
    @staticmethod
    def amount(root: strawberry.Parent[Any]) -> Decimal:
        """The amount, as an exact decimal string."""
        return Decimal(root.text)

    currency: str


@strawberry.input(name="MoneyInput")
class MoneyInput:
    """An exact amount in one currency (ISO 4217)."""

    amount: Decimal
    currency: str


@strawberry.federation.type(shareable=True, directives=[GLOBAL])
class PageInfo:
    """Where a page of a connection stands (Relay cursor connections)."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.federation.type(shareable=True, directives=[GLOBAL])
class UserError:
    """Why a command was refused: a stable code, a sentence, and the input field at fault."""

    code: str
    message: str
    field: list[str] | None


@strawberry.enum
class ReceiptStatus(Enum):
    """What became of a command."""

    DONE = "DONE"
    QUEUED = "QUEUED"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"


@strawberry.federation.type(shareable=True, directives=[OWN], keys=[Key(fields="id", resolvable=False)])  # pyright: ignore[reportArgumentType, reportCallIssue]
class Receipt:
    """A command's receipt. The gateway knows more of one whose command waited in the queue."""

    id: strawberry.ID
    status: ReceiptStatus

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> None:
        """Find nothing: a module keeps no receipts."""


class Types:
    """Makes GraphQL types of one module's Python types, each once."""

    def __init__(self) -> None:
        """Start with what all modules share."""
        self.entities: dict[type[Entity], type] = {}
        self.dashboard: type | None = None
        self._outputs: dict[type, type] = {Money: MoneyType}
        self._inputs: dict[type, type] = {Money: MoneyInput}
        self._enums: dict[type[Enum], Any] = {}

    def output(self, kind: Any) -> Any:
        """Return the GraphQL type of a value that goes out."""
        return self._convert(kind, self._output_of)

    def input(self, kind: Any) -> Any:
        """Return the GraphQL type of a value that comes in."""
        return self._convert(kind, self._input_of)

    def _convert(self, kind: Any, named: Callable[[Any], Any]) -> Any:
        origin = get_origin(kind)
        if origin is Annotated:
            return self._convert(get_args(kind)[0], named)
        if origin in (Union, UnionType):
            (inner,) = (option for option in get_args(kind) if option is not type(None))
            return Optional[self._convert(inner, named)]  # noqa: UP045 the inner type is a value
        if origin in (list, tuple, Sequence) or (isinstance(origin, type) and issubclass(origin, Sequence)):
            inner: Any = self._convert(get_args(kind)[0], named)
            return list[inner]
        return named(kind)

    def _plain(self, kind: Any) -> Any:
        if kind is UUID:
            return strawberry.ID
        if is_enum(kind):
            return self._enums.setdefault(kind, strawberry.enum(kind, description=_doc(kind)))
        if kind in _SCALARS:
            return kind
        raise TypeError(f"{kind!r} has no GraphQL type: use a scalar, an enum, Money, a Part or an Entity.")

    def _output_of(self, kind: Any) -> Any:
        if kind in self.entities:
            return self.entities[kind]
        if kind in self._outputs:
            return self._outputs[kind]
        if kind is Dashboard:
            return self.dashboard
        if not is_part(kind):
            return self._plain(kind)
        fields = [
            make_field(name, self.output(facts.annotation), graphql_name=outside_name(name))
            for name, facts in kind.model_fields.items()
        ]
        self._outputs[kind] = make_type(
            kind.__name__, fields, description=_doc(kind), shareable=True, directives=[GLOBAL]
        )
        return self._outputs[kind]

    def _input_of(self, kind: Any) -> Any:
        if kind in self._inputs:
            return self._inputs[kind]
        if not is_part(kind):
            return self._plain(kind)
        fields = [
            make_field(name, self.input(facts.annotation), graphql_name=outside_name(name), default=_default(facts))
            for name, facts in kind.model_fields.items()
        ]
        self._inputs[kind] = make_input(f"{kind.__name__}Input", fields, description=_doc(kind))
        return self._inputs[kind]


def is_enum(kind: Any) -> bool:
    """Tell whether a type is an enum."""
    return isinstance(kind, type) and issubclass(kind, Enum)


def _default(facts: Any) -> Any:
    if facts.is_required():
        return dataclasses.MISSING
    value = facts.get_default(call_default_factory=True)
    return strawberry.UNSET if value is None else value


def _doc(kind: type) -> str | None:
    doc = kind.__doc__
    return doc.strip().split("\n\n")[0].replace("\n    ", " ") if doc else None


def make_field(
    name: str,
    kind: Any,
    resolver: Callable[..., Any] | None = None,
    *,
    graphql_name: str | None = None,
    description: str | None = None,
    default: Any = dataclasses.MISSING,
    directives: Sequence[object] = (),
) -> StrawberryField:
    """Return a Strawberry field whose type is known only now; without resolver it reads the attribute `name`."""
    if resolver is not None:
        resolver.__annotations__["return"] = kind
    build: Any = strawberry.field
    made: StrawberryField = build(
        resolver=resolver, name=graphql_name, description=description, default=default, directives=directives
    )
    made.python_name = name
    if resolver is None:
        made.type_annotation = StrawberryAnnotation(kind)
    return made


def make_type(
    name: str,
    fields: Sequence[StrawberryField],
    *,
    description: str | None = None,
    keys: Sequence[Any] = (),
    shareable: bool = False,
    directives: Sequence[object] = (),
    members: dict[str, Any] | None = None,
) -> type:
    """Return a federated Strawberry type made of fields; `members` are further class attributes."""
    return strawberry.federation.type(
        _holder(name, fields, members),
        name=name,
        description=description,
        keys=keys,
        shareable=shareable,
        directives=directives,
    )


def make_input(name: str, fields: Sequence[StrawberryField], *, description: str | None = None) -> type:
    """Return a Strawberry input made of fields."""
    return strawberry.input(_holder(name, fields, None), name=name, description=description)


def add_field(owner: type, field: StrawberryField) -> None:
    """Put a further field on a type that exists, so that types may name each other."""
    field.origin = owner
    owner.__strawberry_definition__.fields.append(field)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def _holder(name: str, fields: Sequence[StrawberryField], members: dict[str, Any] | None) -> type:
    annotations = {field.python_name: field.type_annotation.raw_annotation for field in fields if field.type_annotation}
    return type(name, (), {"__annotations__": annotations, **{f.python_name: f for f in fields}, **(members or {})})
