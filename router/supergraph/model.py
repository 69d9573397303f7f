"""The supergraph as composition makes it and planning reads it.

Subgraphs are numbered: `supergraph.subgraphs[i]` is bit `1 << i` in every mask, and key `i` in every per-subgraph map.
Types are GraphQL text (`[Deal!]!`); literals (defaults, directive arguments) are GraphQL text in the form that
graphql-core's `print_ast` gives.

Composition builds a `Supergraph` and prints it with `sdl.print_supergraph`; `sdl.parse_supergraph` reads one back:
model -> SDL -> model is the identity, given that

- a type's `fields` name, per field, *each* subgraph that declares it in `sources` (an external, overridden-but-used or
  plain declaration alike; a declaration that @override took away and nobody uses is left out). The printer omits
  `@join__field` where all subgraphs of the type have the field in the same plain way;
- a field that an object only has through an @interfaceObject has no `sources` (printed: `@join__field` without graph);
- `applied` holds every directive the supergraph shows on an element (@tag, @inaccessible, @deprecated, @specifiedBy,
  @authenticated, @requiresScopes, @policy, @cost, @listSize, @cacheTag, @context, @tenant, composed custom ones) but
  not link, join and their like, which the printer derives. One with `subgraphs` is printed as `@join__directive`;
- `links` names the features whose directives are applied (tag, inaccessible, ...), in printed order, without link and
  join; `directives` holds their definitions and those of executable directives.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from router.supergraph.field_set import FieldSet


class Kind(StrEnum):
    """What a type is; the values are those of introspection's __TypeKind."""

    OBJECT = "OBJECT"
    INTERFACE = "INTERFACE"
    UNION = "UNION"
    ENUM = "ENUM"
    INPUT = "INPUT_OBJECT"
    SCALAR = "SCALAR"


@dataclass(frozen=True, slots=True)
class Subgraph:
    """A subgraph: its name, where it answers, and its value in the enum `join__Graph`."""

    name: str
    url: str
    graph: str


@dataclass(frozen=True, slots=True)
class Applied:
    """One use of a directive. `arguments` are GraphQL literals; `subgraphs` (a mask) only for join__directive."""

    name: str
    arguments: Mapping[str, str] = field(default_factory=dict[str, str])
    subgraphs: int = 0


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a field or of a directive. `default` is a GraphQL literal, None for no default."""

    name: str
    type: str
    default: str | None = None
    description: str | None = None
    applied: tuple[Applied, ...] = ()


@dataclass(frozen=True, slots=True)
class ContextArgument:
    """An argument filled by @fromContext, hidden from clients: `selection` on the type that sets `context`."""

    name: str
    type: str
    context: str
    selection: str


@dataclass(frozen=True, slots=True)
class Source:
    """How one subgraph declares a field. `type` only where it differs from the supergraph's.

    `override` names the subgraph this one takes the field from; with `override_label` only while that label is on.
    `used_overridden`: another subgraph took the field over, a key, @requires or interface here still names it.
    """

    external: bool = False
    requires: FieldSet = ()
    provides: FieldSet = ()
    type: str | None = None
    override: str | None = None
    override_label: str | None = None
    used_overridden: bool = False
    context_arguments: tuple[ContextArgument, ...] = ()


PLAIN = Source()


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an object, an interface or an input. `default` (a literal) only for inputs."""

    name: str
    type: str
    sources: Mapping[int, Source] = field(default_factory=dict[int, Source])
    arguments: Mapping[str, Argument] = field(default_factory=dict[str, Argument])
    default: str | None = None
    description: str | None = None
    applied: tuple[Applied, ...] = ()


@dataclass(frozen=True, slots=True)
class Key:
    """An entity's key in one subgraph; not `resolvable` means the subgraph knows it and cannot be entered by it."""

    subgraph: int
    fields: FieldSet
    resolvable: bool = True


@dataclass(frozen=True, slots=True)
class EnumValue:
    """A value of an enum and the mask of subgraphs that know it."""

    name: str
    subgraphs: int
    description: str | None = None
    applied: tuple[Applied, ...] = ()


@dataclass(frozen=True, slots=True)
class Type:
    """A type of any kind. Masks: `subgraphs` declare it, of them `extensions` by `extend`,
    `interface_objects` as an object that stands for this interface.

    `interfaces` maps an implemented interface, `members` a union's member, to the mask of subgraphs that say so.
    """

    name: str
    kind: Kind
    subgraphs: int
    keys: tuple[Key, ...] = ()
    fields: Mapping[str, Field] = field(default_factory=dict[str, Field])
    interfaces: Mapping[str, int] = field(default_factory=dict[str, int])
    members: Mapping[str, int] = field(default_factory=dict[str, int])
    values: Mapping[str, EnumValue] = field(default_factory=dict[str, EnumValue])
    extensions: int = 0
    interface_objects: int = 0
    description: str | None = None
    applied: tuple[Applied, ...] = ()


@dataclass(frozen=True, slots=True)
class Directive:
    """A directive's definition. `locations` as in SDL."""

    name: str
    locations: tuple[str, ...]
    arguments: Mapping[str, Argument] = field(default_factory=dict[str, Argument])
    repeatable: bool = False
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A linked feature other than link and join. `imports` are GraphQL literals; `purpose` is SECURITY or EXECUTION."""

    url: str
    alias: str | None = None
    imports: tuple[str, ...] = ()
    purpose: str | None = None


@dataclass(frozen=True, slots=True)
class Supergraph:
    """The whole. `roots` maps "query", "mutation", "subscription" to type names; absent ones are absent."""

    subgraphs: tuple[Subgraph, ...]
    types: Mapping[str, Type]
    roots: Mapping[str, str]
    directives: Mapping[str, Directive] = field(default_factory=dict[str, Directive])
    links: tuple[Link, ...] = ()
    description: str | None = None
    applied: tuple[Applied, ...] = ()


def named(type_text: str) -> str:
    """Return the named type inside lists and non-nulls: `[Deal!]!` -> `Deal`."""
    return type_text.strip("[]!")


def bits(mask: int) -> list[int]:
    """Return the numbers of the subgraphs in a mask, ascending."""
    found: list[int] = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


def graph_names(names: list[str]) -> list[str]:
    """Return the `join__Graph` values for subgraph names, as Apollo's composition names them.

    Upper snake, `_` before a leading digit and after `_` with digits at the end; of names that are then the same, each
    gets a number.
    """
    wished = [_graph_name(name) for name in names]
    wishes, given = Counter(wished), Counter[str]()
    found: list[str] = []
    for value in wished:
        given[value] += 1
        found.append(value if wishes[value] == 1 else f"{value}_{given[value]}")
    return found


def _graph_name(name: str) -> str:
    upper = re.sub(r"[^0-9A-Za-z_]", "_", name).upper()
    begun = f"_{upper}" if upper[:1].isdigit() else upper
    return f"{begun}_" if re.search(r"_\d+$", begun) else begun
