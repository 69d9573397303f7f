"""What staging makes of choices: places of the operation, nodes (fields at a place), groups (fetches in the making)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from router.planning.choices import Arrival, Pick, SiteChoice
from router.planning.normalize import Selection, Want, applies
from router.planning.plan import Step
from router.supergraph.field_set import FieldSet, Picked
from router.supergraph.reach import Reach


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

    def node(self, type_name: str, one: Picked) -> Node | None:
        """Return the node of a field, by name and arguments."""
        for node in self.nodes.get(type_name, ()):
            if node.want.name == one.name and node.want.arguments == one.arguments:
                return node
        return None


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


def above(place: Place, up: int) -> Place:
    """Return the place `up` keys above another."""
    for _ in range(up):
        assert place.parent is not None
        place = place.parent.place
    return place


def find(place: Place, type_name: str, one: Picked, positions: tuple[int, ...] | None) -> Node | None:
    """Return the node of a field at a place, among the picks at `positions` first."""
    nodes = place.nodes.get(type_name, [])
    for position in positions or ():
        want = nodes[position].want
        if want.name == one.name and want.arguments == one.arguments:
            return nodes[position]
    return place.node(type_name, one)


def flat(reach: Reach, type_name: str, fields: FieldSet) -> Iterator[Picked]:
    """Yield the fields of a field set that count for a type at a place, be it an object or an interface."""
    for one in fields:
        if isinstance(one, Picked):
            if one.name != "__typename":
                yield one
        elif one.on is None or applies(reach, type_name, one.on):
            yield from flat(reach, type_name, one.inner)
