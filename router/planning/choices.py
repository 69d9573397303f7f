"""What choosing decides: which subgraphs are entered where, by which keys, for which fields."""

from __future__ import annotations

from dataclasses import dataclass

from router.planning.normalize import Want
from router.supergraph.reach import Entry, Views


@dataclass(frozen=True, slots=True)
class Arrival:
    """How the objects of a place came here: from the subgraphs in `mask`, with `views` provided.

    `could` are all that any plan could have fetched them from: only members they all know are asked of abstract types.
    """

    mask: int
    could: int
    views: Views = ()


@dataclass(frozen=True, slots=True)
class Pick:
    """A want and the subgraphs that serve it; more than one only for an object with parts in each. None: is known."""

    want: Want
    subgraphs: tuple[int, ...]
    below: Arrival | None
    needs: tuple[int, ...]  # positions of the picks that its @requires reads


@dataclass(frozen=True, slots=True)
class Door:
    """How a subgraph is entered: by which key, from the picks at these positions."""

    entry: Entry | None
    needs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """The decision for one concrete type at one place."""

    picks: tuple[Pick, ...]
    doors: dict[int, Door]
    visits: frozenset[tuple[int, int]]  # (subgraph, how many-th time)
    below: dict[tuple[object, ...], SiteChoice]
    depth: int

    @property
    def fetches(self) -> int:
        """How many fetches start here and below."""
        return len(self.visits) + sum(one.fetches for one in self.below.values())


@dataclass(frozen=True, slots=True)
class SiteChoice:
    """The decisions for one place: by concrete type, or by the interface itself where the type does not matter."""

    by_type: dict[str, Choice]
    fetches: int
    depth: int

    @property
    def cost(self) -> tuple[int, int]:
        """Fetches first, then levels."""
        return self.fetches, self.depth
