"""Choices become fetches: fields are levelled by what they depend on, and grouped by (place, subgraph, level)."""

from __future__ import annotations

from collections.abc import Iterator

from router.planning.choices import Arrival, Choice, Door, Pick, SiteChoice
from router.planning.normalize import Selection, Want, flat
from router.planning.places import Group, Node, Place, above, find
from router.planning.plan import Step
from router.supergraph.field_set import FieldSet
from router.supergraph.reach import Reach


class Stager:
    """Stages one operation. Afterwards `groups` are the fetches, each after those it needs."""

    def __init__(self, reach: Reach) -> None:
        """Take the reach that the choices were made with."""
        self._reach = reach
        self._keys: dict[object, str] = {}
        self._taken: dict[tuple[str, ...], set[str]] = {}
        self._levels: dict[tuple[Node, int], int] = {}
        self._below_shared: dict[object, Place] = {}
        self._reads: dict[tuple[Node, int], tuple[Node, ...]] = {}
        self._raised: dict[object, int] = {}
        self._groups: dict[object, Group] = {}
        self._of: dict[tuple[Node, int], Group] = {}
        self._all: list[Node] = []
        self._split: dict[Node, int] = {}
        self.groups: list[Group] = []

    def place(
        self, selection: Selection, choice: SiteChoice, arrival: Arrival, parent: Node | None = None, turn: int = 0
    ) -> Place:
        """Make the places and nodes of a choice, all the way down."""
        path = () if parent is None else (*parent.place.path, parent.key)
        place = Place(path, parent, selection, choice, arrival, turn)
        for name, one in choice.by_type.items():
            place.nodes[name] = [self._node(place, name, one, pick) for pick in one.picks]
        return place

    def _node(self, place: Place, name: str, choice: Choice, pick: Pick) -> Node:
        node = Node(place, name, pick, pick.want, self._key(place, name, pick.want))
        node.inline = sum([1 << one for one in pick.subgraphs if self._is_inline(node, one)])
        if pick.subgraphs:
            self._all.append(node)
        if pick.want.child is not None and pick.below is not None:
            site = choice.below[(pick.want.response or pick.want.identity, pick.want.child, pick.below)]
            node.child = self._below(node, pick.want.child, site, pick.below)
        return node

    def _below(self, node: Node, selection: Selection, choice: SiteChoice, arrival: Arrival) -> Place:
        """Return the place under a node: one for all types whose field is asked alike in their parent's fetch."""
        if not all(self.is_inline(node, one) for one in node.pick.subgraphs):
            return self.place(selection, choice, arrival, node, node.place.turn)
        asked = (node.place, node.key, node.pick.subgraphs, selection, arrival)
        found = self._below_shared.get(asked)
        if found is None:
            found = self._below_shared[asked] = self.place(selection, choice, arrival, node, node.place.turn)
        return found

    def _key(self, place: Place, type_name: str, want: Want) -> str:
        """Return the key of a field in fetched data: the client's where it is free, else a reserved one."""
        if want.name == "__typename":
            return "__typename"
        asked = (place.path, want.response, want.identity, self._signature(type_name, want))
        found = self._keys.get(asked)
        if found is None:
            taken = self._taken.setdefault(place.path, set())
            found = want.response or ""
            if not found or found in taken or found.startswith("_"):
                found = f"_f{len(taken)}" if want.response else f"_k{len(taken)}"
            taken.add(found)
            self._keys[asked] = found
        return found

    def _signature(self, type_name: str, want: Want) -> object:
        """Return what must be equal for two types' fields to share a key: the wrappers, and the name of a leaf."""
        texts = self._reach.types_of(type_name, want.name)
        if want.child is None:
            return texts
        return frozenset("".join(letter for letter in text if letter in "[]!") for text in texts)

    def stage(self) -> None:
        """Group all nodes into fetches; merge groups of one place and subgraph where none needs the other."""
        while True:
            self._levels.clear()
            self._groups.clear()
            self._of.clear()
            for node in self._all:
                for subgraph in node.pick.subgraphs:
                    self.group(node, subgraph)
            self._connect()
            if not self._merge():
                break
        self.groups = self._ordered()
        for number, group in enumerate(self.groups):
            group.id = number
            group.slot = f"_{number}" if group.origin is not None else None
        for node in self._all:
            if len(node.pick.subgraphs) > 1:
                for subgraph in node.pick.subgraphs:
                    self.group(node, subgraph).slot = None

    def is_inline(self, node: Node, subgraph: int) -> bool:
        """Whether a field comes with its parent's fetch, from a subgraph that was picked for it."""
        return bool(node.inline >> subgraph & 1)

    def _is_inline(self, node: Node, subgraph: int) -> bool:
        place = node.place
        has_come = place.parent is not None and place.arrival.mask >> subgraph & 1
        if not has_come or node.type in self._reach.supergraph.roots.values():
            return False
        return not self._requires(node, subgraph) and all(one.subgraph != subgraph for one in node.want.given)

    def _requires(self, node: Node, subgraph: int) -> FieldSet:
        requires = self._reach.source(node.type, node.want.name, subgraph).requires
        if requires and self._reach.provided(node.type, node.want.name, node.place.arrival.views) >> subgraph & 1:
            return ()
        return requires

    def door(self, node: Node, subgraph: int) -> Door | None:
        """Return how the subgraph is entered at the node's place."""
        return node.place.choice.by_type[node.type].doors.get(subgraph)

    def level(self, node: Node, subgraph: int) -> int:
        """Return after how many fetches a field can be asked of a subgraph; root fields have level 1."""
        found = self._levels.get((node, subgraph))
        if found is None:
            self._levels[node, subgraph] = 0
            found = self._level(node, subgraph)
            while (raised := self._raised.get((id(node.place), subgraph, found))) is not None:
                found = raised
            self._levels[node, subgraph] = found
        return found

    def _level(self, node: Node, subgraph: int) -> int:
        parent = node.place.parent
        if self.is_inline(node, subgraph) and parent is not None:
            return self.level(parent, subgraph)
        deepest = max((self.level(parent, one) for one in parent.pick.subgraphs), default=0) if parent else 0
        for need in self.reads(node, subgraph):
            deepest = max(deepest, *(self.level(need, one) for one in need.pick.subgraphs))
        return deepest + 1

    def reads(self, node: Node, subgraph: int) -> tuple[Node, ...]:
        """Return every node whose value is sent along with a field: the key's, those of @requires and of contexts."""
        found = self._reads.get((node, subgraph))
        if found is None:
            found = self._reads[node, subgraph] = tuple(self._read(node, subgraph))
        return found

    def _read(self, node: Node, subgraph: int) -> Iterator[Node]:
        yield from self._door_reads(node, subgraph)
        for one in node.want.given:
            if one.subgraph == subgraph:
                yield from self._deep(above(node.place, one.up), one.of, one.fields)
        yield from self._deep(node.place, node.type, self._requires(node, subgraph), node.pick.needs)

    def _door_reads(self, node: Node, subgraph: int) -> Iterator[Node]:
        door = self.door(node, subgraph)
        if door is not None and door.entry is not None:
            yield from self._deep(node.place, node.type, door.entry.key, door.needs)
            for position in door.needs:
                need = node.place.nodes[node.type][position]
                if need.want.name == "__typename" and need.pick.subgraphs:
                    yield need  # whose fetch tells the concrete type

    def _deep(self, place: Place, type_name: str, fields: FieldSet, positions: tuple[int, ...] = ()) -> Iterator[Node]:
        for one in flat(self._reach, type_name, fields):
            node = find(place, type_name, (one.name, one.arguments), positions)
            if node is not None:
                yield node
                if node.child is not None:
                    for name in node.child.nodes:
                        yield from self._deep(node.child, name, one.inner)

    def group(self, node: Node, subgraph: int) -> Group:
        """Return the fetch that a field is asked in, making it when it is the first."""
        found = self._of.get((node, subgraph))
        if found is None:
            parent = node.place.parent
            if self.is_inline(node, subgraph) and parent is not None:
                found = self.group(parent, subgraph)
            else:
                found = self._entered(node, subgraph)
            self._of[node, subgraph] = found
            found.nodes.append(node)
        return found

    def _entered(self, node: Node, subgraph: int) -> Group:
        origin, keys = self.origin(node.place)
        level = self.level(node, subgraph)
        wanted = {one.name: one.arguments for one in flat(self._reach, node.type, self._requires(node, subgraph))}
        variant = 0
        while True:
            asked = (origin, keys, subgraph, level, node.place.turn, variant)
            group = self._groups.get(asked)
            if group is None:
                group = self._groups[asked] = Group(origin, keys, subgraph, level, node.place.turn)
            if all(group.arguments.get((node.type, name), given) == given for name, given in wanted.items()):
                group.arguments |= {(node.type, name): given for name, given in wanted.items()}
                return group
            variant += 1

    def origin(self, place: Place) -> tuple[Group | None, tuple[Step, ...]]:
        """Return which fetch brings a place's objects, and the keys to them in its answer."""
        parent = place.parent
        if parent is None:
            return None, ()
        subgraph = parent.pick.subgraphs[0]
        group = self.group(parent, subgraph)
        keys = [_step(parent)]
        while self.is_inline(parent, subgraph) and parent.place.parent is not None:
            parent = parent.place.parent
            keys.append(_step(parent))
        return group, tuple(reversed(keys))

    def steps_to(self, node: Node) -> tuple[Step, ...]:
        """Return the steps to the objects that have a node's value in the fetched data."""
        subgraph = node.pick.subgraphs[0]
        if not self.is_inline(node, subgraph):
            return self.group(node, subgraph).inside
        group, keys = self.origin(node.place)
        return (*(group.inside if group is not None else ()), *keys)

    def _connect(self) -> None:
        for node in self._all:
            for subgraph in node.pick.subgraphs:
                if self.is_inline(node, subgraph):
                    continue
                group = self.group(node, subgraph)
                for need in self.reads(node, subgraph):
                    for one in need.pick.subgraphs:
                        group.needs[self.group(need, one)] = None
                if group.origin is not None:
                    group.needs[group.origin] = None
                group.needs.pop(group, None)
        for group in self._groups.values():  # a mutation's fields wait for all that came before them
            if group.turn:
                group.needs |= {one: None for one in self._groups.values() if one.turn < group.turn}

    def _merge(self) -> bool:
        """Move one group to a later one of the same place and subgraph that does not need it; False when none can."""
        groups = list(self._groups.values())
        for early in groups:
            for late in groups:
                same = (early.origin, early.keys, early.subgraph) == (late.origin, late.keys, late.subgraph)
                if same and early.level < late.level and early.turn == late.turn and early not in late.all_needs():
                    for node in early.nodes:
                        self._raised[id(node.place), early.subgraph, early.level] = late.level
                    return True
        return False

    def _ordered(self) -> list[Group]:
        groups = sorted(self._groups.values(), key=lambda one: (one.turn, one.level))
        found: dict[Group, None] = {}

        def visit(group: Group) -> None:
            if group not in found:
                for need in group.needs:
                    visit(need)
                found[group] = None

        for group in groups:
            visit(group)
        return list(found)


def _step(node: Node) -> Step:
    return Step(node.key, node.want.type.count("["))
