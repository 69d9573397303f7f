"""What staging makes of choices: places of the operation, nodes (fields at a place), groups (fetches in the making)."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain

from router.planning.choices import Arrival, Pick, SiteChoice
from router.planning.normalize import Identity, Selection, Want
from router.planning.plan import Step


@dataclass(slots=True, eq=False)
class Place:
    """Where objects stand in the answer. `path` are the keys in the fetched data; `turn` orders mutations."""

    path: tuple[str, ...]
    parent: Node | None
    selection: Selection
    choice: SiteChoice
    arrival: Arrival
    turn: int = 0
    nodes: dict[str, list[Node]] = field(default_factory=dict[str, "list[Node]"])


@dataclass(slots=True, eq=False)
class Node:
    """A field at a place for one concrete type. `key` is its key in the fetched data.

    `inline` is the mask of subgraphs by which it comes with its parent's fetch.
    """

    place: Place
    type: str
    pick: Pick
    want: Want
    key: str
    inline: int = 0
    child: Place | None = None


@dataclass(slots=True, eq=False)
class Group:
    """A fetch in the making: what one subgraph is asked at one origin and level."""

    origin: Group | None  # the group that brings the place
    keys: tuple[Step, ...]  # from the origin group's own objects to the place
    subgraph: int
    level: int
    turn: int
    id: int = -1
    slot: str | None = None
    nodes: list[Node] = field(default_factory=list[Node])
    needs: dict[Group, None] = field(default_factory=dict["Group", None])
    arguments: dict[object, object] = field(default_factory=dict[object, object])

    @property
    def steps(self) -> tuple[Step, ...]:
        """From the root of the data to the origin objects of this fetch."""
        return () if self.origin is None else (*self.origin.inside, *self.keys)

    @property
    def inside(self) -> tuple[Step, ...]:
        """From the root of the data to the objects this fetch brought."""
        return self.steps if self.slot is None else (*self.steps, Step(self.slot, 0, True))

    def all_needs(self) -> set[Group]:
        """Return this group and all that it waits for, at any distance."""
        found: set[Group] = set()
        todo: list[Group] = [self]
        while todo:
            one = todo.pop()
            if one not in found:
                found.add(one)
                todo.extend(one.needs)
        return found


def above(place: Place, up: int) -> Place:
    """Return the place `up` keys above another."""
    for _ in range(up):
        assert place.parent is not None
        place = place.parent.place
    return place


def find(place: Place, type_name: str, identity: Identity, positions: tuple[int, ...] = ()) -> Node | None:
    """Return the node of a field at a place, among the picks at `positions` first."""
    name, arguments = identity
    nodes = place.nodes.get(type_name, [])
    for node in chain((nodes[position] for position in positions), nodes):
        if node.want.name == name and node.want.arguments == arguments:
            return node
    return None
