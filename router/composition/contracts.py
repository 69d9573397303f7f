"""Contracts: what a group of clients sees of a supergraph, chosen by @tag.

A contract is the same supergraph with more parts @inaccessible: its API schema is smaller, its plans may use all of it.
So one planner serves all contracts.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from graphql import parse_const_value

from router.composition.merge.features import with_inaccessible
from router.composition.report import CompositionError
from router.composition.rules.inaccessible import hidden_problems
from router.composition.values import read_value
from router.supergraph.model import Applied, Argument, EnumValue, Field, Kind, Supergraph, Type, named

HIDDEN = Applied("inaccessible")
Part = TypeVar("Part", Type, Field, Argument, EnumValue)


@dataclass(frozen=True, slots=True)
class Contract:
    """A supergraph as a contract shows it, or why it cannot."""

    supergraph: Supergraph | None
    errors: tuple[CompositionError, ...]


def apply_contract(supergraph: Supergraph, *, include: Collection[str] = (), exclude: Collection[str] = ()) -> Contract:
    """Hide what a contract leaves out.

    With `include`, fields of objects and interfaces stay only if they or their type carry one of these tags. Whatever
    carries a tag of `exclude` goes, with what refers to it. Last go the types that no visible field leads to.
    """
    filtered = _Filter(supergraph, frozenset(include), frozenset(exclude))
    types = filtered.types()
    made = replace(supergraph, types=types)
    if not any(_visible(made, made.roots.get("query"))):
        tags = f"include {sorted(include)}, exclude {sorted(exclude)}"
        message = f"The contract ({tags}) leaves no query: tag at least one field of Query and what it returns."
        return Contract(None, (CompositionError("CONTRACT_EMPTY", message),))
    problems = tuple(CompositionError(one.code, one.message) for one in hidden_problems(made, HIDDEN.name))
    return Contract(None, problems) if problems else Contract(with_inaccessible(made), ())


class _Filter:
    """Marks parts of a supergraph as hidden."""

    def __init__(self, supergraph: Supergraph, include: frozenset[str], exclude: frozenset[str]) -> None:
        self._supergraph = supergraph
        self._include = include
        self._exclude = exclude

    def types(self) -> dict[str, Type]:
        """Return all types, marked: by tags, then whatever refers to hidden types, then what cannot be reached."""
        types = {one.name: self._by_tags(one) for one in self._supergraph.types.values()}
        while True:
            hidden = {one.name for one in types.values() if _is_hidden(one)}
            marked = {one.name: _without_hidden(one, hidden, types) for one in types.values()}
            if marked == types:
                break
            types = marked
        reached = _reachable(replace(self._supergraph, types=types))
        return {one.name: one if one.name in reached or "__" in one.name else _hide(one) for one in types.values()}

    def _by_tags(self, one: Type) -> Type:
        tags = self._tags(one.applied)
        if tags & self._exclude:
            return _hide(one)
        selects = bool(self._include) and one.kind in (Kind.OBJECT, Kind.INTERFACE)
        is_included = not selects or bool(tags & self._include)
        fields = {name: self._field(field, is_included=is_included) for name, field in one.fields.items()}
        values = {name: self._excluded(value) for name, value in one.values.items()}
        return replace(one, fields=fields, values=values)

    def _field(self, field: Field, *, is_included: bool) -> Field:
        tags = self._tags(field.applied)
        if tags & self._exclude or not (is_included or tags & self._include):
            return _hide(field)
        return replace(field, arguments={name: self._excluded(one) for name, one in field.arguments.items()})

    def _excluded(self, one: Part) -> Part:
        return _hide(one) if self._tags(one.applied) & self._exclude else one

    def _tags(self, applied: Collection[Applied]) -> frozenset[str]:
        return frozenset(
            str(read_value(parse_const_value(one.arguments["name"]))) for one in applied if one.name == "tag"
        )


def _hide(one: Part) -> Part:
    return one if _is_hidden(one) else replace(one, applied=(*one.applied, HIDDEN))


def _is_hidden(one: Type | Field | Argument | EnumValue) -> bool:
    return any(use.name == HIDDEN.name for use in one.applied)


def _without_hidden(one: Type, hidden: Collection[str], types: Mapping[str, Type]) -> Type:
    """Hide fields and arguments of hidden types, interface fields an implementation hides, and types left empty."""
    if one.name in hidden:
        return one
    fields = {name: _without_hidden_types(field, hidden) for name, field in one.fields.items()}
    if one.kind is Kind.INTERFACE:
        lost = {
            field.name
            for other in types.values()
            if one.name in other.interfaces and other.name not in hidden
            for field in other.fields.values()
            if _is_hidden(field)
        }
        fields = {name: _hide(field) if name in lost else field for name, field in fields.items()}
    parts = [*(_is_hidden(field) for field in fields.values()), *(_is_hidden(value) for value in one.values.values())]
    parts += [member in hidden for member in one.members]
    one = replace(one, fields=fields)
    return _hide(one) if parts and all(parts) else one


def _without_hidden_types(field: Field, hidden: Collection[str]) -> Field:
    if named(field.type) in hidden:
        return _hide(field)
    arguments = {name: _hide(one) if named(one.type) in hidden else one for name, one in field.arguments.items()}
    return replace(field, arguments=arguments)


def _visible(supergraph: Supergraph, name: str | None) -> Iterator[Field]:
    one = supergraph.types.get(name) if name else None
    if one is not None and not _is_hidden(one):
        yield from (field for field in one.fields.values() if not _is_hidden(field))


def _reachable(supergraph: Supergraph) -> set[str]:
    """Return the types that visible fields and arguments lead to from the roots; an interface leads to its types."""
    implementers: dict[str, list[str]] = {}
    for one in supergraph.types.values():
        for interface in one.interfaces:
            implementers.setdefault(interface, []).append(one.name)
    reached: set[str] = set()
    waiting = list(supergraph.roots.values())
    while waiting:
        name = waiting.pop()
        one = supergraph.types.get(name)
        if one is None or name in reached or _is_hidden(one):
            continue
        reached.add(name)
        waiting += [*one.interfaces, *one.members, *implementers.get(name, ())]
        for field in _visible(supergraph, name):
            waiting.append(named(field.type))
            waiting += [named(argument.type) for argument in field.arguments.values() if not _is_hidden(argument)]
    return reached
