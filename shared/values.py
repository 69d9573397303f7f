"""The small values every module speaks: money, parts, references."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from babel.numbers import get_currency_precision, list_currencies
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from shared.errors import Invalid

HUNDRED = Decimal(100)
_MARK = "__mewayz_mark__"
T = TypeVar("T")


def put_mark(target: T, mark: object) -> T:
    """Mark a function or class for `Module` to collect; it stays as it is."""
    setattr(target, _MARK, mark)
    return target


def mark_of(target: object) -> object | None:
    """Return the mark of a function or class, None without one. A subclass has not its parent's mark."""
    return vars(target).get(_MARK) if hasattr(target, "__dict__") else None


def time_zone(name: str) -> ZoneInfo:
    """Return the IANA time zone of a name. Raises ValueError where there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # OSError: it is the name of a folder of zones
        raise ValueError(f"{name!r} is no IANA time zone such as Asia/Shanghai") from error


TimeZone = Annotated[str, AfterValidator(lambda name: time_zone(name).key)]


class CurrencyMismatch(Invalid):
    """Amounts of two currencies met in one sum."""

    code = "CURRENCY_MISMATCH"

    def __init__(self, left: str, right: str) -> None:
        """Name the two currencies."""
        super().__init__("{left} and {right} can't be added: convert one of them first.", left=left, right=right)


@functools.cache
def minor_units(currency: str) -> int:
    """Return how many decimals amounts of an ISO 4217 currency have: JPY 0, CNY 2, KWD 3."""
    return get_currency_precision(currency)


@functools.cache
def _currencies() -> frozenset[str]:
    return frozenset(list_currencies())


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount in one currency. Sums across currencies are refused (tier1.md, 0, Money)."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        """Refuse what is no ISO 4217 code."""
        if self.currency not in _currencies():
            raise Invalid("{currency!r} is not an ISO 4217 currency code.", "currency", currency=self.currency)

    @classmethod
    def zero(cls, currency: str) -> "Money":
        """Return nothing of a currency."""
        return cls(Decimal(0), currency)

    @classmethod
    def total(cls, amounts: Iterable["Money"], currency: str) -> "Money":
        """Return the sum of `amounts`, all in `currency`."""
        result = cls.zero(currency)
        for amount in amounts:
            result = result + amount
        return result

    def __add__(self, other: "Money") -> "Money":
        """Add an amount of the same currency; raises CurrencyMismatch."""
        self._same(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        """Subtract an amount of the same currency; raises CurrencyMismatch."""
        self._same(other)
        return Money(self.amount - other.amount, self.currency)

    def __neg__(self) -> "Money":
        """Return the opposite amount."""
        return Money(-self.amount, self.currency)

    def times(self, factor: Decimal | int) -> "Money":
        """Return the amount times a number, rounded to the currency's minor units."""
        return Money(self.amount * factor, self.currency).rounded()

    def percent(self, rate: Decimal) -> "Money":
        """Return `rate` percent of the amount, rounded to the currency's minor units."""
        return self.times(rate / HUNDRED)

    def rounded(self) -> "Money":
        """Round half away from zero to the currency's minor units (tier1.md, 0, Money)."""
        step = Decimal(1).scaleb(-minor_units(self.currency))
        return Money(self.amount.quantize(step, rounding=ROUND_HALF_UP), self.currency)

    def __str__(self) -> str:
        """Print the amount with the currency's minor units, then the code."""
        return f"{self.text} {self.currency}"

    @property
    def text(self) -> str:
        """The amount with the currency's minor units, as `Money.amount` prints it in GraphQL and events."""
        places = minor_units(self.currency)
        exact = self.amount.normalize()
        shown = -int(exact.as_tuple().exponent)
        return f"{self.amount:.{places}f}" if shown <= places else f"{exact:f}"

    def _same(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise CurrencyMismatch(self.currency, other.currency)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read `{"amount": "12.50", "currency": "CNY"}` in events, parts and inputs, and write it again."""
        fields = core_schema.typed_dict_schema(
            {
                "amount": core_schema.typed_dict_field(core_schema.decimal_schema(max_digits=20, decimal_places=6)),
                "currency": core_schema.typed_dict_field(core_schema.str_schema(pattern="^[A-Z]{3}$")),
            }
        )
        from_fields = core_schema.no_info_after_validator_function(lambda read: cls(**read), fields)
        return core_schema.union_schema(
            [core_schema.is_instance_schema(cls), from_fields],
            serialization=core_schema.plain_serializer_function_ser_schema(_write_money),
        )


def _write_money(money: Money) -> dict[str, str]:
    return {"amount": money.text, "currency": money.currency}


def outside_name(name: str) -> str:
    """Return a field's name in JSON and GraphQL: `unit_price` is `unitPrice`; `from_`, a word of Python's, is `from`."""
    return to_camel(name.rstrip("_"))


@dataclass(frozen=True, slots=True)
class PlantMark:
    """A function `(demo) -> None` that plants a module's demo rows in one tenant; lower `order` goes first."""

    order: int


class Part(BaseModel):
    """A value stored inside a row as `jsonb` and shown as a GraphQL object of its own: a line, an address (contracts.md)."""

    model_config = ConfigDict(frozen=True, alias_generator=outside_name, populate_by_name=True, extra="ignore")


class Address(Part):
    """A postal address (tier1.md, 18, "Shapes of JSON fields")."""

    line1: str = Field(min_length=1, max_length=200)
    line2: str | None = Field(default=None, max_length=200)
    city: str = Field(min_length=1, max_length=100)
    region: str | None = Field(default=None, max_length=100)
    postcode: str = Field(max_length=20)
    country: str = Field(pattern="^[A-Z]{2}$")


@dataclass(frozen=True, slots=True)
class Ref:
    """Marks a column `xxx_id` as a reference: `Annotated[UUID, Ref("Customer")]` or, to another module, `Ref("hr.Employee")`.

    A reference inside the module is a foreign key; its `reverse` names the list on the other side (`Customer.deals`), by
    default the plural of the referring entity, "" for none. One to another module is a key only.
    """

    entity: str
    reverse: str | None = None

    @property
    def module(self) -> str | None:
        """The owning module's slug, None for the own one."""
        return self.entity.partition(".")[0] if "." in self.entity else None

    @property
    def name(self) -> str:
        """The entity's name without its module."""
        return self.entity.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Sensitive:
    """Marks a column whose readers are told to the audit log: why someone left, what kind of leave it is.

    With a `permission` it is null for whoever may read the row, but not this: the permission's row scope counts.
    """

    permission: str | None = None


class Personal:
    """Marks a column that tells something of a person: privacy exports it, and erases it.

    `by` names the columns that say whose it is: by an id (`id`: the row is the person; `customer_id`), or by an e-mail
    address. An id column that is marked itself is another id of the same person. `keep` says why it is not erased: the law
    that wants it kept.
    """

    def __init__(self, *by: str, keep: str | None = None) -> None:
        """Keep what the mark says; by itself it means that the row is the person."""
        self.by = by or ("id",)
        self.keep = keep


@dataclass(frozen=True, slots=True)
class Searchable:
    """Marks a text column on which `contains` filters: it gets an index for it (contracts.md, "Databases")."""
