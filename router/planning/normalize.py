"""An operation as a tree of selections per concrete type: fragments spread, conditions folded, equal fields merged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    VariableNode,
    print_ast,
)

from router.planning.contexts import NO_SCOPES, Given, Scopes, Setter, entered, given
from router.supergraph.field_set import FieldSet, Picked
from router.supergraph.model import Kind, named
from router.supergraph.reach import Reach


@dataclass(frozen=True, slots=True, eq=False)
class Defer:
    """One use of @defer in the document. `after` are those whose fields it shares, or lies in: they come first."""

    label: str | None
    after: set[Defer]


class Asked(NamedTuple):
    """Whether something may come later: by which @defer, how many keys above the fragment stands."""

    defer: Defer | None = None
    depth: int = 0


NOW = Asked()


class Streamed(NamedTuple):
    """One use of @stream: how many items come at once, or the name of the variable that says so."""

    label: str | None
    first: int | str


class _Set(NamedTuple):
    node: SelectionSetNode
    asked: Asked


_Fields: TypeAlias = "dict[str, list[tuple[FieldNode, Asked]]]"
Identity: TypeAlias = "tuple[str, tuple[tuple[str, str], ...]]"
"""A field's name and arguments: what has the same on one object is the same value."""


@dataclass(frozen=True, slots=True, eq=False)
class Want:
    """A field that is wanted of an object. `response` is the client's key, None for a field only the planner wants.

    `given` are the arguments that subgraphs fill from contexts; `streamed` lets a list come in pieces.
    """

    name: str
    arguments: tuple[tuple[str, str], ...]
    type: str
    child: Selection | None
    response: str | None
    asked: Asked = NOW
    given: tuple[Given, ...] = ()
    streamed: Streamed | None = None

    @property
    def identity(self) -> Identity:
        """The field's name and arguments."""
        return self.name, self.arguments


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What is wanted of the objects at one place, by concrete type.

    `common` is what every object must give whatever its type: what an interface object is asked for. Only where
    `is_uniform` is it all that is wanted.
    """

    type: str
    wants: Mapping[str, tuple[Want, ...]]
    common: tuple[Want, ...]
    is_uniform: bool


class Normalizer:
    """Turns selection sets and field sets into selections; equal places of one document give the same object."""

    def __init__(
        self, reach: Reach, fragments: Mapping[str, FragmentDefinitionNode], values: Mapping[str, object]
    ) -> None:
        """Take the fragments of the document and the values of the variables that @skip and @include name."""
        self._reach = reach
        self._fragments = fragments
        self._values = values
        self._selections: dict[object, Selection] = {}
        self._defers: dict[tuple[int, Defer | None], Defer] = {}
        self.introspection: list[FieldNode] = []

    def operation(self, operation: OperationDefinitionNode, root: str) -> Selection:
        """Return the selection of an operation on its root type."""
        return self._select(root, (_Set(operation.selection_set, NOW),), NO_SCOPES)

    def _select(self, type_name: str, sets: tuple[_Set, ...], scopes: Scopes) -> Selection:
        asked = (type_name, tuple((id(one.node), one.asked) for one in sets), scopes)
        found = self._selections.get(asked)
        if found is None:
            reach = self._reach
            collected = {one: self._collect(one, sets) for one in reach.possible(type_name)}
            common = self._collect(type_name, sets) if reach.is_abstract(type_name) else {}
            shape = _ids(common)
            is_uniform = all(_ids(fields) == shape and not reach.contexts(one) for one, fields in collected.items())
            found = self._selections[asked] = Selection(
                type_name,
                {one: self._wants_of(one, fields, scopes) for one, fields in collected.items()},
                self._wants_of(type_name, common, scopes),
                is_uniform,
            )
        return found

    def _wants_of(self, type_name: str, fields: _Fields, scopes: Scopes) -> tuple[Want, ...]:
        """Return what is wanted of one type: by the client, and by what lies below and reads a context set here."""
        if not self._reach.has_contexts:
            return tuple(self._wants(type_name, fields, NO_SCOPES, NO_SCOPES))
        setter = Setter(type_name)
        wants = tuple(self._wants(type_name, fields, scopes, entered(self._reach, setter, scopes)))
        return (*wants, *field_set_wants(self._reach, type_name, tuple(setter.reads)))

    def _wants(self, type_name: str, fields: _Fields, scopes: Scopes, below: Scopes) -> Iterator[Want]:
        """Yield the client's wants; `below` are the contexts that hold for the objects of the fields."""
        for response, found in fields.items():
            node = found[0][0]
            when = found[0][1] if len(found) == 1 else _when([asked for _, asked in found])
            name = node.name.value
            if name.startswith("__"):
                if name != "__typename":
                    self.introspection += [one for one, _ in found]
                yield Want(name, (), "String!", None, response, when)
                continue
            type_text = self._reach.field(type_name, name).type
            arguments = tuple((one.name.value, print_ast(one.value)) for one in node.arguments or ())
            sets = tuple(
                _Set(one.selection_set, asked._replace(depth=asked.depth + 1) if asked.defer else NOW)
                for one, asked in found
                if one.selection_set is not None
            )
            child = self._select(named(type_text), sets, below) if sets else None
            told = given(self._reach, type_name, name, scopes)
            streamed = self._streamed(node) if node.directives else None
            yield Want(name, arguments, type_text, child, response, when, told, streamed)

    def _collect(self, type_name: str, sets: tuple[_Set, ...]) -> _Fields:
        found: _Fields = {}
        seen: set[tuple[str, Asked]] = set()
        for one in sets:
            self._collect_into(found, type_name, one, seen)
        return found

    def _collect_into(self, found: _Fields, type_name: str, fields: _Set, seen: set[tuple[str, Asked]]) -> None:
        """Collect what counts for a type; `seen` are the fragments spread here before."""
        for node in fields.node.selections:
            if not self._is_included(node.directives or ()):
                continue
            if isinstance(node, FieldNode):
                nodes = found.setdefault(node.alias.value if node.alias else node.name.value, [])
                if all(one is not node or asked != fields.asked for one, asked in nodes):
                    nodes.append((node, fields.asked))
            elif isinstance(node, InlineFragmentNode):
                if node.type_condition is None or applies(self._reach, type_name, node.type_condition.name.value):
                    inner = _Set(node.selection_set, self._asked(node, fields.asked))
                    self._collect_into(found, type_name, inner, seen)
            elif isinstance(node, FragmentSpreadNode):
                asked = self._asked(node, fields.asked)
                if (node.name.value, asked) in seen:
                    continue
                seen.add((node.name.value, asked))
                fragment = self._fragments[node.name.value]
                if applies(self._reach, type_name, fragment.type_condition.name.value):
                    self._collect_into(found, type_name, _Set(fragment.selection_set, asked), seen)

    def _asked(self, node: InlineFragmentNode | FragmentSpreadNode, around: Asked) -> Asked:
        """Return when the fields of a fragment are to come."""
        arguments = self._use(node, "defer")
        if arguments is None:
            return around
        found = self._defers.get((id(node), around.defer))
        if found is None:
            found = Defer(_label(arguments), {around.defer} if around.defer else set())
            self._defers[id(node), around.defer] = found
        return Asked(found)

    def _streamed(self, node: FieldNode) -> Streamed | None:
        arguments = self._use(node, "stream")
        if arguments is None:
            return None
        count = arguments.get("initialCount")
        if isinstance(count, VariableNode):
            return Streamed(_label(arguments), count.name.value)
        return Streamed(_label(arguments), int(count.value) if isinstance(count, IntValueNode) else 0)

    def _use(
        self, node: FieldNode | InlineFragmentNode | FragmentSpreadNode, directive: str
    ) -> dict[str, ValueNode] | None:
        """Return the arguments of @defer or @stream on a node; None where it isn't there, or its `if` turns it off."""
        use = next((one for one in node.directives or () if one.name.value == directive), None)
        if use is None:
            return None
        arguments = {one.name.value: one.value for one in use.arguments or ()}
        return arguments if self._is_on(arguments.get("if")) else None

    def _is_on(self, value: ValueNode | None) -> bool:
        if isinstance(value, VariableNode):
            return self._values.get(value.name.value) is not False
        return not isinstance(value, BooleanValueNode) or value.value

    def _is_included(self, directives: tuple[DirectiveNode, ...]) -> bool:
        for one in directives:
            if one.name.value in ("skip", "include"):
                value = one.arguments[0].value if one.arguments else None
                if isinstance(value, VariableNode):
                    on = self._values.get(value.name.value) is True
                else:
                    on = isinstance(value, BooleanValueNode) and value.value
                if on is (one.name.value == "skip"):
                    return False
        return True


def _label(arguments: Mapping[str, ValueNode]) -> str | None:
    label = arguments.get("label")
    return label.value if isinstance(label, StringValueNode) else None


def applies(reach: Reach, type_name: str, condition: str) -> bool:
    """Whether a fragment on `condition` counts for every object of type `type_name`."""
    if type_name == condition:
        return True
    if reach.types[type_name].kind is Kind.OBJECT:
        return condition in reach.types and type_name in reach.possible(condition)
    return condition in reach.types[type_name].interfaces


def field_set_wants(reach: Reach, type_name: str, fields: FieldSet) -> list[Want]:
    """Return a field set on a concrete type as wants of the planner."""
    found: list[Want] = []
    for (name, arguments), inner in grouped(reach, type_name, fields).items():
        type_text = reach.field(type_name, name).type
        child = field_set_selection(reach, named(type_text), inner) if inner else None
        found.append(Want(name, arguments, type_text, child, None))
    return found


def field_set_selection(reach: Reach, type_name: str, fields: FieldSet) -> Selection:
    """Return a field set on a type as a selection of the planner."""
    wants = {one: tuple(field_set_wants(reach, one, fields)) for one in reach.possible(type_name)}
    common = tuple(field_set_wants(reach, type_name, fields)) if reach.is_abstract(type_name) else ()
    return Selection(type_name, wants, common, all(isinstance(one, Picked) for one in fields))


def grouped(reach: Reach, type_name: str, fields: FieldSet) -> dict[Identity, FieldSet]:
    """Return the fields of a field set that count for a type, with all that is wanted below each."""
    found: dict[Identity, FieldSet] = {}
    for one in flat(reach, type_name, fields):
        asked = (one.name, one.arguments)
        found[asked] = (*found.get(asked, ()), *one.inner)
    return found


def flat(reach: Reach, type_name: str, fields: FieldSet) -> Iterator[Picked]:
    """Yield the fields of a field set that count for a type, be it an object or an interface; no __typename."""
    for one in fields:
        if isinstance(one, Picked):
            if one.name != "__typename":
                yield one
        elif one.on is None or applies(reach, type_name, one.on):
            yield from flat(reach, type_name, one.inner)


def merged(one: Want, other: Want) -> Want:
    """Return the want of two wants of the same identity; the client's key stays."""
    child = one.child
    if child is not None and other.child is not None and child is not other.child:
        child = merged_selection(child, other.child)
    return replace(one, child=child)


def merged_selection(one: Selection, other: Selection) -> Selection:
    """Return all that either selection wants; a field both want under the same key stays one."""
    wants = {name: _merged_wants(wants, other.wants.get(name, ())) for name, wants in one.wants.items()}
    return Selection(one.type, wants, _merged_wants(one.common, other.common), one.is_uniform and other.is_uniform)


def _merged_wants(ones: tuple[Want, ...], others: tuple[Want, ...]) -> tuple[Want, ...]:
    found = list(ones)
    for other in others:
        same = next((n for n, one in enumerate(found) if one.identity == other.identity), None)
        if same is None:
            found.append(other)
        else:
            found[same] = merged(found[same], other)
    return tuple(found)


def _when(several: list[Asked]) -> Asked:
    """Return when a field comes that is asked for several times: as soon as one of them wants it."""
    if any(one.defer is None for one in several):
        return NOW
    first = several[0]
    for one in several:
        if one.defer is not None and one.defer is not first.defer and first.defer is not None:
            one.defer.after.add(first.defer)
    return first


def _ids(fields: _Fields) -> dict[str, list[tuple[int, Asked]]]:
    return {response: [(id(node), asked) for node, asked in nodes] for response, nodes in fields.items()}
