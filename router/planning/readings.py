"""Where values stand in the fetched data: what representations, contexts and the answer are read from."""

from __future__ import annotations

from collections.abc import Iterable

from router.planning.normalize import flat, grouped
from router.planning.places import Group, Node, Place, above, find
from router.planning.plan import ContextRead, ContextVariable, Read, Representation, Step, Steps, Template
from router.planning.stage import Stager
from router.supergraph.field_set import FieldSet
from router.supergraph.reach import Entry, Reach


class Readings:
    """Finds the places of values for one staged operation."""

    def __init__(self, reach: Reach, stager: Stager, variables: Iterable[str]) -> None:
        """Take what the operation was staged with, and the names of its variables."""
        self._reach = reach
        self._stager = stager
        self._prefix = "_c"
        while any(name.startswith(self._prefix) for name in variables):
            self._prefix = f"_{self._prefix}"
        self._contexts: dict[Group, dict[tuple[object, ...], str]] = {}

    def representations(self, group: Group, entered: list[Node]) -> Iterable[Representation]:
        """Return how the entities of a fetch are told to its subgraph."""
        asked: dict[tuple[Place, str], tuple[Entry, FieldSet, tuple[int, ...]]] = {}
        for node in entered:
            door = self._stager.door(node, group.subgraph)
            if door is not None and door.entry is not None:
                known = asked.get((node.place, node.type), (door.entry, (), door.needs))
                fields = self._reach.source(node.type, node.want.name, group.subgraph).requires
                asked[node.place, node.type] = (door.entry, (*known[1], *fields), (*known[2], *node.pick.needs))
        found: dict[Representation, None] = {}
        for (place, name), (entry, fields, positions) in asked.items():
            reads = self._reads(place, name, (*entry.key, *fields), positions)
            names = {one.name for one in flat(self._reach, name, entry.key)}
            key = tuple(one for one in reads if one.name in names)
            requires = tuple(one for one in reads if one.name not in names)
            of = name if self._is_told(place, name, entry) else None
            found[Representation(of, entry.typename, key, requires)] = None
        return found

    def _is_told(self, place: Place, type_name: str, entry: Entry) -> bool:
        """Whether representations differ by the concrete type of the object, so that it must be known."""
        if place.selection.type == type_name:
            return False
        return entry.typename == type_name or self._is_typed(place)

    def _is_typed(self, place: Place) -> bool:
        """Whether objects arrive with their concrete type, not as an interface object."""
        return bool(place.arrival.mask & ~self._reach.types[place.selection.type].interface_objects)

    def _reads(self, place: Place, type_name: str, fields: FieldSet, positions: tuple[int, ...]) -> list[Read]:
        found: list[Read] = []
        for identity, inner in grouped(self._reach, type_name, fields).items():
            node = find(place, type_name, identity, positions)
            if node is not None:
                template = self._template(node.child, inner) if node.child is not None else None
                found.append(Read(node.want.name, self.steps(node), template))
        return found

    def _template(self, place: Place, fields: FieldSet) -> Template:
        typenames = self.typenames(place)
        by_type: dict[str | None, tuple[Read, ...]] = {}
        for name in place.nodes:
            reads = tuple(self._reads(place, name, fields, ()))
            by_type[name if typenames and name != place.selection.type else None] = reads
        return Template(tuple(by_type.items()), typenames)

    def steps(self, node: Node) -> Steps:
        """Return the keys from the object at a node's place to its value."""
        if not node.pick.subgraphs:
            return (node.key,)
        return self._steps_in(node, node.pick.subgraphs[0])

    def _steps_in(self, node: Node, subgraph: int) -> Steps:
        if self._stager.is_inline(node, subgraph):
            return (node.key,)
        slot = self._stager.group(node, subgraph).slot
        return (node.key,) if slot is None else (slot, node.key)

    def typenames(self, place: Place) -> tuple[Steps, ...]:
        """Return where the concrete type of the objects at a place can be read; nothing where it is one."""
        if not self._reach.is_abstract(place.selection.type):
            return ()
        if self._is_typed(place):
            return (("__typename",),)
        found: dict[Steps, None] = {}
        for nodes in place.nodes.values():
            for node in nodes:
                if node.want.name == "__typename" and node.pick.subgraphs:
                    found[self.steps(node)] = None
        return tuple(found)

    def context_name(self, group: Group, node: Node, argument: str) -> str:
        """Return the variable that fills an argument from a context."""
        names = self._contexts.setdefault(group, {})
        return names.setdefault((node.type, node.want.name, argument), f"{self._prefix}{len(names)}")

    def contexts(self, group: Group, entered: list[Node]) -> tuple[ContextVariable, ...]:
        """Return the variables of a fetch that are filled from contexts, each read from the nearest object that fits."""
        types: dict[str, str] = {}
        reads: dict[str, dict[ContextRead, None]] = {}
        for node in entered:
            for given in node.want.given:
                if given.subgraph != group.subgraph:
                    continue
                name = self.context_name(group, node, given.argument)
                types[name] = given.type
                setter = above(node.place, given.up)
                standing = _standing(group.steps, given.up)
                of = None if setter.selection.type == given.of else given.of
                typenames = () if of is None else self.typenames(setter)
                for read in self._reads(setter, given.of, given.fields, ()):
                    reads.setdefault(name, {})[ContextRead(standing, of, read, typenames)] = None
        return tuple(
            ContextVariable(name, types[name], tuple(sorted(found, key=lambda one: -one.standing)))
            for name, found in reads.items()
        )

    def copied(self, group: Group, entered: list[Node]) -> set[Group]:
        """Return the fetches whose entities stand between the contexts that a fetch reads, and its own entities."""
        ups = [one.up for node in entered for one in node.want.given if one.subgraph == group.subgraph]
        found: set[Group] = set()
        if ups:
            origin, least = group.origin, _standing(group.steps, max(ups))
            while origin is not None and origin.origin is not None and len(origin.steps) >= least:
                found.add(origin)
                origin = origin.origin
        return found


def _standing(steps: tuple[Step, ...], up: int) -> int:
    """Return how many steps lead to the object `up` keys above where all of them lead."""
    count = len(steps)
    for _ in range(up):
        while steps[count - 1].is_slot:
            count -= 1
        count -= 1
    while count and steps[count - 1].is_slot:
        count -= 1
    return count
