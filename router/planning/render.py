"""Groups become fetches with documents, representations and error names; places become the shape of the answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from graphql import GraphQLSchema, is_enum_type

from router.planning.defer import deferrals
from router.planning.normalize import Selection, Want
from router.planning.places import Group, Node, Place
from router.planning.plan import Deferral, Fetch, FieldShape, Names, Shape, Stream
from router.planning.readings import Readings
from router.planning.stage import Stager
from router.planning.stream import streams
from router.supergraph.model import Kind, named
from router.supergraph.reach import Reach

_VARIABLE = re.compile(r'"""(?:[^"]|"(?!""))*"""|"(?:\\.|[^"\\])*"|\$([A-Za-z_][A-Za-z0-9_]*)')


@dataclass(slots=True)
class _Part:
    """What one group asks at one place: fields by concrete type."""

    fields: dict[str, dict[Node, None]] = field(default_factory=dict[str, dict[Node, None]])


class Renderer:
    """Renders one staged operation."""

    def __init__(
        self, reach: Reach, schema: GraphQLSchema, stager: Stager, operation: str, *, variables: Iterable[str]
    ) -> None:
        """Take what the operation was staged with, the schema that clients see, and the names of its variables."""
        self._reach = reach
        self._schema = schema
        self._stager = stager
        self._operation = operation
        self._readings = Readings(reach, stager, variables)
        self._parts: dict[tuple[Group, Place], _Part] = {}
        self._texts: dict[tuple[Group, Place, str], str] = {}
        self._named: dict[tuple[Group, Place], Names] = {}
        self._shapes: dict[Place, Shape] = {}
        self._copied: set[Group] = set()
        self.first, self._deferrals = deferrals(stager.groups)
        self._streams = streams(stager)

    @property
    def deferrals(self) -> tuple[Deferral, ...]:
        """Return the fragments that may come later, each after those it waits for."""
        return tuple(dict.fromkeys(self._deferrals.values()))

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Return the lists that may come in pieces."""
        return tuple(self._streams.values())

    def fetches(self) -> tuple[Fetch, ...]:
        """Return the fetches of all groups."""
        for group in self._stager.groups:
            for node in group.nodes:
                part = self._parts.setdefault((group, node.place), _Part())
                part.fields.setdefault(node.type, {})[node] = None
        for group in self._stager.groups:
            self._copied |= self._readings.copied(group, self._entered(group))
        return tuple(map(self._fetch, self._stager.groups))

    def _fetch(self, group: Group) -> Fetch:
        entered = self._entered(group)
        root = entered[0].place
        root_type = entered[0].type
        is_root = root_type in self._reach.supergraph.roots.values()
        selection = self._fields(group, root, root_type) if is_root else self._entities(group, entered)
        representations = () if is_root else tuple(self._readings.representations(group, entered))
        places = {node.place: None for node in entered}
        contexts = self._readings.contexts(group, entered)
        filled = {one.name for one in contexts}
        return Fetch(
            id=group.id,
            subgraph=self._reach.supergraph.subgraphs[group.subgraph].name,
            operation=self._operation if root.parent is None else "query",
            steps=group.steps,
            selection=selection,
            variables=tuple(name for name in used_variables(selection) if name not in filled),
            needs=tuple(sorted(one.id for one in group.needs)),
            level=group.level,
            slot=group.slot,
            representations=representations,
            typenames=()
            if is_root
            else tuple(dict.fromkeys(s for place in places for s in self._readings.typenames(place))),
            names=self._names(group, places),
            contexts=contexts,
            is_copied=group in self._copied,
        )

    def _entered(self, group: Group) -> list[Node]:
        return [node for node in group.nodes if not self._stager.is_inline(node, group.subgraph)]

    def _entities(self, group: Group, entered: list[Node]) -> str:
        by_typename: dict[str, dict[Place, dict[str, None]]] = {}
        for node in entered:
            door = self._stager.door(node, group.subgraph)
            typename = door.entry.typename if door and door.entry else node.type
            by_typename.setdefault(typename, {}).setdefault(node.place, {})[node.type] = None
        blocks: list[str] = []
        for typename, places in by_typename.items():
            texts = dict.fromkeys(
                self._selection(group, place, typename, set(types)) for place, types in places.items()
            )
            blocks.append(f"...on {typename}{{{' '.join(texts)}}}")
        return " ".join(blocks)

    def _below(self, group: Group, place: Place, position: str) -> str:
        asked = (group, place, position)
        found = self._texts.get(asked)
        if found is None:
            found = self._texts[asked] = self._selection(group, place, position)
        return found

    def _selection(self, group: Group, place: Place, position: str, only: set[str] | None = None) -> str:
        """Print what a group asks of the objects at a place, where its subgraph says `position`."""
        reach = self._reach
        part = self._parts.get((group, place), _Part())
        texts = {
            name: [self._field(group, node) for node in nodes]
            for name, nodes in part.fields.items()
            if only is None or name in only
        }
        one = reach.types[position]
        is_abstract = one.kind is Kind.UNION or (
            one.kind is Kind.INTERFACE and not one.interface_objects >> group.subgraph & 1
        )
        if not is_abstract:
            lines = dict.fromkeys(line for lines in texts.values() for line in lines)
            if only is None and one.kind is Kind.OBJECT and reach.is_abstract(place.selection.type):
                lines = {"__typename": None, **lines}  # this subgraph alone says one object type: others read the type
            return " ".join(lines) or "__typename"
        here = reach.possible_in(position, group.subgraph)
        whole = dict.fromkeys(texts.pop(position, []))
        for name, nodes in part.fields.items():
            for node, line in zip(nodes, texts.get(name, []), strict=False):
                if self._is_common(position, node, group.subgraph) and all(line in texts.get(t, ()) for t in here):
                    whole[line] = None
        blocks = ["__typename", *(line for line in whole if line != "__typename")]
        for name, lines in texts.items():
            rest = [line for line in dict.fromkeys(lines) if line not in whole and line != "__typename"]
            if rest and name in here:
                blocks.append(f"...on {name}{{{' '.join(rest)}}}")
        return " ".join(blocks)

    def _is_common(self, position: str, node: Node, subgraph: int) -> bool:
        """Whether a field can be asked of the interface itself in a subgraph."""
        reach = self._reach
        fields = reach.types[position].fields
        source = fields[node.want.name].sources.get(subgraph) if node.want.name in fields else None
        if source is None or not len(reach.possible_in(position, subgraph)):
            return False
        of_type = self._type_in(node.type, node.want.name, subgraph)
        return named(source.type or fields[node.want.name].type) == named(of_type)

    def _fields(self, group: Group, place: Place, type_name: str) -> str:
        nodes = self._parts[group, place].fields[type_name]
        return " ".join(dict.fromkeys(self._field(group, node) for node in nodes))

    def _field(self, group: Group, node: Node) -> str:
        want = node.want
        if want.name == "__typename":
            return "__typename"
        given = [*want.arguments]
        for one in want.given:
            if one.subgraph == group.subgraph:
                given.append((one.argument, f"${self._readings.context_name(group, node, one.argument)}"))
        arguments = f"({', '.join(f'{name}: {value}' for name, value in given)})" if given else ""
        head = want.name if node.key == want.name else f"{node.key}: {want.name}"
        if node.child is None:
            return f"{head}{arguments}"
        position = named(self._type_in(node.type, want.name, group.subgraph))
        return f"{head}{arguments}{{{self._below(group, node.child, position)}}}"

    def _type_in(self, type_name: str, name: str, subgraph: int) -> str:
        source = self._reach.sources(type_name, name).get(subgraph)
        return (source.type if source else None) or self._reach.field(type_name, name).type

    def _names(self, group: Group, places: Iterable[Place]) -> Names:
        found: Names = {}
        for place in places:
            for key, (response, more) in self._names_at(group, place).items():
                known, below = found.get(key, (None, more))
                found[key] = (response or known, more if below is more else {**below, **more})
        return found

    def _names_at(self, group: Group, place: Place) -> Names:
        found = self._named.get((group, place))
        if found is None:
            found = self._named[group, place] = {}
            part = self._parts.get((group, place), _Part())
            children: dict[str, dict[Place, None]] = {}
            for node in (node for nodes in part.fields.values() for node in nodes):
                response, _ = found.get(node.key, (None, None))
                found[node.key] = (node.want.response or response, {})
                if node.child is not None:
                    children.setdefault(node.key, {})[node.child] = None
            for key, places in children.items():
                found[key] = (found[key][0], self._names(group, places))
        return found

    def shape(self, place: Place) -> Shape:
        """Return the shape of the answer for the objects at a place."""
        found = self._shapes.get(place)
        if found is None:
            found = self._shapes[place] = self._shape(place)
        return found

    def _shape(self, place: Place) -> Shape:
        selection = place.selection
        reach = self._reach
        typenames = self._readings.typenames(place)
        by_type: dict[str | None, tuple[FieldShape, ...]] = {}
        if selection.type in place.nodes and reach.is_abstract(selection.type):
            by_type[None] = self._shown(place, selection.type, selection.common, place.nodes[selection.type], None)
            return Shape(selection.type, by_type, typenames)
        for name in reach.possible(selection.type):
            if name in self._schema.type_map:
                constant = name if not reach.is_abstract(selection.type) else None
                key = None if not reach.is_abstract(selection.type) else name
                wants = selection.wants[name]
                by_type[key] = self._shown(place, name, wants, place.nodes.get(name, []), constant)
        return Shape(selection.type, by_type, typenames)

    def root_shape(self, selection: Selection, places: Iterable[Place]) -> Shape:
        """Return the shape of the whole answer, from the places of the root: one, or one a field of a mutation."""
        name = selection.type
        place = None
        nodes: list[Node] = []
        for place in places:
            nodes += place.nodes[name]
        if place is None:
            return Shape(name, {None: ()})
        wants = [want for want in selection.wants[name] if want.name not in ("__schema", "__type")]
        return Shape(name, {None: self._shown(place, name, wants, nodes, name)})

    def _shown(
        self, place: Place, type_name: str, wants: Iterable[Want], nodes: list[Node], constant: str | None
    ) -> tuple[FieldShape, ...]:
        by_response = {node.want.response: node for node in nodes if node.want.response is not None}
        found: list[FieldShape] = []
        for want in wants:
            if want.response is None:
                continue
            if want.name == "__typename":
                told = self._readings.typenames(place)
                known = constant or (type_name if not self._reach.is_abstract(type_name) else None)
                steps = told[0] if told else ("__typename",)
                found.append(self._timed(FieldShape(want.response, "String!", steps, told[1:], known), want))
                continue
            node = by_response.get(want.response)
            child = self.shape(node.child) if node is not None and node.child is not None else None
            steps = self._readings.steps(node) if node is not None else ()
            shape = FieldShape(want.response, want.type, steps, (), None, child, self._values(named(want.type)))
            if node is not None and (stream := self._streams.get(node)) is not None:
                shape = replace(shape, stream=stream.id)
            found.append(self._timed(shape, want))
        return tuple(found)

    def _timed(self, shape: FieldShape, want: Want) -> FieldShape:
        defer = want.asked.defer
        deferral = self._deferrals.get(defer) if defer is not None else None
        return shape if deferral is None else replace(shape, deferral=deferral.id, depth=want.asked.depth)

    def _values(self, type_name: str) -> frozenset[str] | None:
        one = self._schema.type_map.get(type_name)
        return frozenset(one.values) if is_enum_type(one) else None


def used_variables(text: str) -> Iterable[str]:
    """Return the names of the variables in a selection, each once."""
    return dict.fromkeys(name for name in _VARIABLE.findall(text) if name)


def with_renamed(text: str, names: Mapping[str, str]) -> str:
    """Return a selection with some of its variables renamed."""
    return _VARIABLE.sub(lambda one: f"${names[one[1]]}" if one[1] in names else one[0], text)


def variable_definitions(operation: Mapping[str, str], names: Iterable[str]) -> str:
    """Print the definitions of the variables a document uses, without parentheses."""
    return ",".join(f"${name}:{operation[name]}" for name in names)
