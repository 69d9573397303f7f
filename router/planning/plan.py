"""A query plan as data: fetches, what they send, and the shape of the answer. Frozen, and prints itself by `explain`.

Answers are kept as the subgraphs gave them. A fetch for entities puts each entity into its origin object under the
fetch's own key (`slot`), so nothing is merged, unless two subgraphs serve parts of one keyless object. *Steps* are
the keys from one object down to a value; lists on the way are not mentioned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from graphql import DocumentNode

Steps: TypeAlias = tuple[str, ...]


class Step(NamedTuple):
    """A key on the way from the root to where a fetch starts, how many lists lie under it, whether it is a slot."""

    key: str
    lists: int
    is_slot: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """One field of a representation: where its value is, seen from the origin, and what is taken of an object."""

    name: str
    steps: Steps
    inner: Template | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """What is taken of an object, by its type; None stands for any type. `typenames` are where the type may be read."""

    by_type: tuple[tuple[str | None, tuple[Read, ...]], ...]
    typenames: tuple[Steps, ...] = ()


@dataclass(frozen=True, slots=True)
class Representation:
    """How entities of one concrete type (None: whichever) are told to a subgraph.

    `key` must be there and not null, or the entity is not asked for; `requires` may be null.
    """

    of: str | None
    typename: str
    key: tuple[Read, ...]
    requires: tuple[Read, ...] = ()


@dataclass(frozen=True, slots=True)
class ContextRead:
    """Where a context's value is: of the object after `standing` of a fetch's steps, if it is of type `of` (or None).

    `read` leads to the one leaf; `typenames` are where the object's type may be read.
    """

    standing: int
    of: str | None
    read: Read
    typenames: tuple[Steps, ...] = ()


@dataclass(frozen=True, slots=True)
class ContextVariable:
    """A variable of a fetch that @fromContext fills: the first of `reads` that fits. `type` is GraphQL text.

    Its value differs by entity, so it is sent once for all entities of one value.
    """

    name: str
    type: str
    reads: tuple[ContextRead, ...]


Names: TypeAlias = "dict[str, tuple[str | None, Names]]"
"""Per key in a fetch's answer: the client's key, or None if only the planner wanted it, and the same below."""


def _no_names() -> Names:
    return {}


@dataclass(frozen=True, slots=True)
class Fetch:
    """One selection asked of one subgraph, at the root or for the entities found at `steps`."""

    id: int
    subgraph: str
    operation: str
    steps: tuple[Step, ...]
    selection: str
    variables: tuple[str, ...]
    needs: tuple[int, ...]
    level: int
    slot: str | None
    representations: tuple[Representation, ...] = ()
    typenames: tuple[Steps, ...] = ()
    names: Names = field(default_factory=_no_names)
    contexts: tuple[ContextVariable, ...] = ()
    is_copied: bool = False  # its entities lie between a context and who reads it: each place has an object of its own

    @property
    def is_entity(self) -> bool:
        """Whether it asks `_entities`, not root fields."""
        return bool(self.representations)


@dataclass(frozen=True, slots=True)
class FieldShape:
    """One field of the answer: the client's key, its type, where the value is. `constant` is a known __typename.

    Without `steps` and `constant` it is null: nobody can be asked. `values` are an enum's values that a client may see.
    `deferral`: with which deferred fragment it may come, `depth` keys below that fragment's object.
    `stream`: as which streamed list it comes.
    """

    response: str
    type: str
    steps: Steps = ()
    alternatives: tuple[Steps, ...] = ()
    constant: str | None = None
    child: Shape | None = None
    values: frozenset[str] | None = None
    deferral: int | None = None
    depth: int = 0
    stream: int | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """What the answer shows of an object, by concrete type; None for any. Types not named are not visible: null."""

    type: str
    by_type: Mapping[str | None, tuple[FieldShape, ...]]
    typenames: tuple[Steps, ...] = ()


@dataclass(frozen=True, slots=True)
class Deferral:
    """A fragment that may come later: when `fetches` are done and the deferrals in `after` were told."""

    id: int
    label: str | None
    fetches: frozenset[int]
    after: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stream:
    """A list that may come in pieces: `key` of the objects at `steps`, once `fetch` is done.

    `count` items come at once (or as many as the variable of that name says); `below` are the fetches of the items.
    """

    id: int
    label: str | None
    count: int | str
    fetch: int
    steps: tuple[Step, ...]
    key: str
    below: frozenset[int]


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """What is fetched and what is answered. `variables` gives the definition of each variable, as GraphQL text."""

    operation: str
    fetches: tuple[Fetch, ...]
    shape: Shape
    variables: Mapping[str, str]
    is_optimal: bool = True
    introspection: DocumentNode | None = None
    deferrals: tuple[Deferral, ...] = ()
    streams: tuple[Stream, ...] = ()
    first: frozenset[int] = frozenset()  # the fetches that are not deferred, where there are deferrals

    @property
    def is_incremental(self) -> bool:
        """Whether the answer may come in pieces."""
        return bool(self.deferrals or self.streams)

    @property
    def levels(self) -> int:
        """How many fetches come one after the other at most."""
        return max((one.level for one in self.fetches), default=0)
