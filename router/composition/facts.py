"""What one subgraph says, as plain records: the input of every rule and of every merge.

Directive names are canonical here: `@federation__key`, or a `@key` imported under another name, is `key`; a
directive of no specification that composition knows keeps its sigil: `@uppercase`.
Two records are equal when they are one. Type references are text (`[Deal!]!`), which compares, hashes and prints as it stands.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, TypeAlias

from router.composition.links import Links
from router.composition.report import Hint, Location
from router.composition.values import Value

Kind: TypeAlias = Literal["SCALAR", "OBJECT", "INTERFACE", "UNION", "ENUM", "INPUT_OBJECT"]

COMPOSITE: frozenset[str] = frozenset({"OBJECT", "INTERFACE", "UNION"})
BUILT_IN_SCALARS: frozenset[str] = frozenset({"Int", "Float", "String", "Boolean", "ID"})
ROOT_KINDS: tuple[Literal["query"], Literal["mutation"], Literal["subscription"]] = (
    "query",
    "mutation",
    "subscription",
)
ROOT_NAMES: dict[str, str] = {"query": "Query", "mutation": "Mutation", "subscription": "Subscription"}


@dataclass(slots=True, eq=False)
class Applied:
    """One use of a directive. `name` is canonical, `written` is as in the SDL.

    `block` tells where a type is written: 0 is its definition, n its n-th extension.
    """

    name: str
    written: str
    arguments: dict[str, Value]
    location: Location
    block: int = 0

    def text(self, argument: str) -> str | None:
        """Return a string argument, or None when it is absent or no string."""
        value = self.arguments.get(argument)
        return str(value) if type(value) is str else None


@dataclass(slots=True, eq=False)
class Element:
    """What every named thing of a schema has."""

    name: str
    location: Location
    description: str | None
    directives: list[Applied]

    def has(self, directive: str) -> bool:
        """Whether the directive of this canonical name is applied here."""
        return any(one.name == directive for one in self.directives)

    def applied(self, directive: str) -> list[Applied]:
        """Return the uses of a directive here, in written order."""
        return [one for one in self.directives if one.name == directive]

    def first(self, directive: str) -> Applied | None:
        """Return the first use of a directive here."""
        for one in self.directives:
            if one.name == directive:
                return one
        return None


@dataclass(slots=True, eq=False)
class Argument(Element):
    """An argument of a field or a directive. `has_default` tells `= null` from no default."""

    type: str
    default: Value = None
    has_default: bool = False

    @property
    def is_required(self) -> bool:
        """Whether a caller must give it."""
        return self.type.endswith("!") and not self.has_default


@dataclass(slots=True, eq=False)
class Field(Element):
    """A field of an object or interface; of an input object it has a default instead of arguments."""

    type: str
    arguments: dict[str, Argument]
    default: Value = None
    has_default: bool = False
    block: int = 0

    @property
    def is_required(self) -> bool:
        """Whether an input object must give it."""
        return self.type.endswith("!") and not self.has_default


@dataclass(slots=True, eq=False)
class EnumValue(Element):
    """A value of an enum."""


@dataclass(slots=True, eq=False)
class TypeFacts(Element):
    """A type as one subgraph sees it, its definition and extensions put together."""

    kind: Kind
    fields: dict[str, Field] = field(default_factory=dict[str, Field])
    interfaces: dict[str, Location] = field(default_factory=dict[str, Location])
    members: dict[str, Location] = field(default_factory=dict[str, Location])
    values: dict[str, EnumValue] = field(default_factory=dict[str, EnumValue])
    has_definition: bool = False
    has_extension: bool = False

    @property
    def is_extension(self) -> bool:
        """Whether this subgraph only extends the type, by `extend type` or `@extends`."""
        return self.has("extends") or (self.has_extension and not self.has_definition)


@dataclass(slots=True, eq=False)
class DirectiveFacts(Element):
    """A directive definition."""

    arguments: dict[str, Argument]
    locations: tuple[str, ...]
    is_repeatable: bool


@dataclass(slots=True, eq=False)
class SubgraphFacts:
    """Everything one subgraph says; `external` and the like are worked out by rules/external.py."""

    name: str
    url: str
    index: int
    links: Links
    types: dict[str, TypeFacts]
    directives: dict[str, DirectiveFacts]
    schema_directives: list[Applied]
    roots: dict[str, str]
    external: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    provided: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    shareable: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    used: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    digest: str = ""
    hints: tuple[Hint, ...] = ()
    applied_names: frozenset[str] | None = None

    @property
    def is_federation_2(self) -> bool:
        """Whether it links a Federation 2 specification."""
        return self.links.federation_version is not None

    def field_at(self, coordinate: tuple[str, str]) -> Field | None:
        """Return the field of (type, field), if this subgraph has it."""
        owner = self.types.get(coordinate[0])
        return owner.fields.get(coordinate[1]) if owner else None

    def marked_fields(self) -> Iterator[tuple[TypeFacts, Field]]:
        """Yield each field of an object or interface that has a directive, after its type."""
        for owner in self.types.values():
            if owner.kind in ("OBJECT", "INTERFACE"):
                for one in owner.fields.values():
                    if one.directives:
                        yield owner, one

    def implementations(self, interface: str) -> Iterator[TypeFacts]:
        """Yield the object types that implement an interface here."""
        for one in self.types.values():
            if one.kind == "OBJECT" and interface in one.interfaces:
                yield one

    def runtime_types(self, name: str) -> frozenset[str]:
        """Return the object types that a value of this type may have here."""
        owner = self.types.get(name)
        if owner is None:
            return frozenset()
        if owner.kind == "UNION":
            return frozenset(owner.members)
        if owner.kind == "INTERFACE":
            return frozenset(one.name for one in self.implementations(name))
        return frozenset((name,))


@lru_cache(maxsize=65536)
def named_type(reference: str) -> str:
    """Return the type inside lists and non-nulls: `[Deal!]!` is `Deal`."""
    return reference.replace("[", "").replace("]", "").replace("!", "")


def nullable(reference: str) -> str:
    """Return the reference without its outer `!`."""
    return reference[:-1] if reference.endswith("!") else reference


def item_type(reference: str) -> str | None:
    """Return what a list holds, or None when it is no list."""
    inner = nullable(reference)
    return inner[1:-1] if inner.startswith("[") else None
