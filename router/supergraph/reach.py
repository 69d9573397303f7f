"""Which subgraphs can be entered from here: the facts that planning and satisfiability share, over subgraph masks.

Everything is a fixpoint over a set of subgraphs, memoised; no path is ever enumerated.
A *view* tells what an arrival's @provides adds: pairs (subgraph, field set) that hold for the objects of this arrival.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from router.supergraph.field_set import FieldSet, Picked
from router.supergraph.model import PLAIN, Field, Kind, Source, Supergraph, bits, named

Views: TypeAlias = tuple[tuple[int, FieldSet], ...]


class Entry(NamedTuple):
    """A way into a subgraph: a representation of `typename` (the type or an interface of it) by the fields of `key`."""

    subgraph: int
    typename: str
    key: FieldSet


class Reach:
    """Answers what can be resolved and entered where. `labels` are the @override labels that are on."""

    def __init__(self, supergraph: Supergraph, labels: frozenset[str] = frozenset()) -> None:
        """Index a supergraph; nothing is computed before it is asked for."""
        self.supergraph = supergraph
        self.labels = labels
        self.types = supergraph.types
        self.everywhere = (1 << len(supergraph.subgraphs)) - 1
        self._possible: dict[str, tuple[str, ...]] = {}
        self._possible_in: dict[tuple[str, int], frozenset[str]] = {}
        self._sources: dict[tuple[str, str], dict[int, Source]] = {}
        self._resolvers: dict[tuple[str, str], int] = {}
        self._entries: dict[str, tuple[Entry, ...]] = {}
        self._entries_into: dict[tuple[str, int], tuple[Entry, ...]] = {}
        self._contexts: dict[str, tuple[str, ...]] = {}
        self.has_contexts = any("/context/" in one.url for one in supergraph.links)
        self._closures: dict[tuple[str, int, Views], int] = {}
        self._able: dict[tuple[str, str, int, Views], int] = {}
        self._types_of: dict[tuple[str, str], frozenset[str]] = {}
        self._obtained: dict[tuple[str, FieldSet, int, Views], bool] = {}
        self._active: set[object] = set()
        self._cut = False

    def is_composite(self, name: str) -> bool:
        """Whether a type has fields to select."""
        one = self.types.get(name)
        return one is not None and one.kind in (Kind.OBJECT, Kind.INTERFACE, Kind.UNION)

    def is_abstract(self, name: str) -> bool:
        """Whether a type is an interface or a union."""
        return self.types[name].kind in (Kind.INTERFACE, Kind.UNION)

    def possible(self, name: str) -> tuple[str, ...]:
        """Return the object types that an object of this type may have, in the supergraph's order."""
        found = self._possible.get(name)
        if found is None:
            one = self.types[name]
            if one.kind is Kind.UNION:
                found = tuple(one.members)
            elif one.kind is Kind.INTERFACE:
                found = tuple(t.name for t in self.types.values() if t.kind is Kind.OBJECT and name in t.interfaces)
            else:
                found = (name,)
            self._possible[name] = found
        return found

    def possible_in(self, name: str, subgraph: int) -> frozenset[str]:
        """Return the object types that one subgraph can return where it says `name`."""
        found = self._possible_in.get((name, subgraph))
        if found is None:
            one = self.types[name]
            if one.kind is Kind.UNION:
                found = frozenset(member for member, mask in one.members.items() if mask >> subgraph & 1)
            elif one.kind is Kind.INTERFACE:
                found = frozenset(t for t in self.possible(name) if self.types[t].interfaces[name] >> subgraph & 1)
            else:
                found = frozenset((name,))
            self._possible_in[name, subgraph] = found
        return found

    def knows(self, name: str) -> int:
        """Return the mask of subgraphs that have the type itself, not only an interface object for it."""
        one = self.types[name]
        return one.subgraphs & ~one.interface_objects

    def stands_for(self, name: str) -> int:
        """Return the mask of subgraphs that know objects of this type as an interface object only."""
        mask = self.types[name].interface_objects
        for interface in self.types[name].interfaces:
            mask |= self.types[interface].interface_objects if interface in self.types else 0
        return mask

    def field(self, type_name: str, name: str) -> Field:
        """Return a field of a type; it must exist."""
        return self.types[type_name].fields[name]

    def sources(self, type_name: str, name: str) -> dict[int, Source]:
        """Return who declares a field, those that do so by an interface object included."""
        found = self._sources.get((type_name, name))
        if found is None:
            one = self.types[type_name]
            found = dict(one.fields[name].sources) if name in one.fields else {}
            for interface in one.interfaces:
                other = self.types.get(interface)
                if other is not None and other.interface_objects and name in other.fields:
                    for number, source in other.fields[name].sources.items():
                        if other.interface_objects >> number & 1:
                            found.setdefault(number, source)
            self._sources[type_name, name] = found
        return found

    def source(self, type_name: str, name: str, subgraph: int) -> Source:
        """Return how one subgraph declares a field."""
        return self.sources(type_name, name).get(subgraph, PLAIN)

    def types_of(self, type_name: str, name: str) -> frozenset[str]:
        """Return the type of a field, and how subgraphs say it where they say it otherwise."""
        found = self._types_of.get((type_name, name))
        if found is None:
            told = [one.type for one in self.sources(type_name, name).values() if one.type]
            found = self._types_of[type_name, name] = frozenset((self.field(type_name, name).type, *told))
        return found

    def resolvers(self, type_name: str, name: str) -> int:
        """Return the mask of subgraphs that resolve a field: not external, not taken over by another."""
        found = self._resolvers.get((type_name, name))
        if found is None:
            found = 0
            for number, source in self.sources(type_name, name).items():
                if not source.external and self._is_active(source):
                    found |= 1 << number
            self._resolvers[type_name, name] = found
        return found

    def _is_active(self, source: Source) -> bool:
        if source.override_label is None:
            return not source.used_overridden
        return (source.override_label in self.labels) is (source.override is not None)

    def contexts(self, type_name: str) -> tuple[str, ...]:
        """Return the contexts that an object of this type sets: its own, its interfaces' and its unions'."""
        found = self._contexts.get(type_name)
        if found is None:
            owners = [self.types[type_name], *(self.types[one] for one in self.types[type_name].interfaces)]
            owners += [one for one in self.types.values() if type_name in one.members]
            uses = [use for owner in owners for use in owner.applied if use.name == "context"]
            names = dict.fromkeys(use.arguments.get("name", "").strip('"') for use in uses)
            found = self._contexts[type_name] = tuple(names)
        return found

    def contextual(self, type_name: str, name: str) -> int:
        """Return the mask of subgraphs that fill arguments of a field from contexts."""
        if not self.has_contexts:
            return 0
        sources = self.sources(type_name, name)
        return sum(1 << number for number, source in sources.items() if source.context_arguments)

    def entries(self, type_name: str) -> tuple[Entry, ...]:
        """Return every way into a subgraph with an object of this type, own keys first."""
        found = self._entries.get(type_name)
        if found is None:
            one = self.types[type_name]
            ways = [Entry(key.subgraph, type_name, key.fields) for key in one.keys if key.resolvable]
            for interface in one.interfaces:
                other = self.types.get(interface)
                for key in other.keys if other is not None else ():
                    if key.resolvable:
                        ways.append(Entry(key.subgraph, interface, key.fields))
            found = self._entries[type_name] = tuple(ways)
        return found

    def entries_into(self, type_name: str, subgraph: int) -> tuple[Entry, ...]:
        """Return every way into one subgraph with an object of this type."""
        found = self._entries_into.get((type_name, subgraph))
        if found is None:
            ways = dict.fromkeys(one for one in self.entries(type_name) if one.subgraph == subgraph)
            found = self._entries_into[type_name, subgraph] = tuple(ways)
        return found

    def reentries(self, type_name: str, subgraph: int) -> tuple[Entry, ...]:
        """Return the ways back into a subgraph that an object came from, with what @requires needs.

        Where no key is resolvable there, any will do: composition accepts that, as Apollo's does.
        """
        found = self.entries_into(type_name, subgraph)
        keys = (key for key in self.types[type_name].keys if key.subgraph == subgraph)
        return found or tuple(Entry(subgraph, type_name, key.fields) for key in keys)

    def closure(self, type_name: str, arrived: int, views: Views = ()) -> int:
        """Return the mask of all subgraphs enterable with an object of this type that stands in `arrived`."""
        asked = (type_name, arrived, views)
        found = self._closures.get(asked)
        if found is not None:
            return found
        if asked in self._active:
            self._cut = True
            return arrived
        self._active.add(asked)
        mask = self._grow(type_name, arrived, views)
        self._active.discard(asked)
        if not self._active:
            self._cut = False
        if not self._cut:
            self._closures[asked] = mask
        return mask

    def _grow(self, type_name: str, mask: int, views: Views) -> int:
        ways = [one for one in self.entries(type_name) if not mask >> one.subgraph & 1]
        known = 0 if self.is_abstract(type_name) else self.knows(type_name)
        had: set[FieldSet] = set()  # what can be had from a mask can be had from a larger one
        grown = True
        while grown:
            grown = False
            for way in ways:
                if mask >> way.subgraph & 1 or (way.typename == type_name and known and not mask & known):
                    continue
                if way.key in had or self.obtains(type_name, way.key, mask, views):
                    had.add(way.key)
                    mask |= 1 << way.subgraph
                    grown = True
        return mask

    def obtains(self, type_name: str, fields: FieldSet, mask: int, views: Views = ()) -> bool:
        """Whether a field set of an object can be had from the subgraphs in `mask`, following keys below it."""
        asked = (type_name, fields, mask, views)
        found = self._obtained.get(asked)
        if found is not None:
            return found
        if asked in self._active:
            self._cut = True
            return False
        self._active.add(asked)
        found = all(self._obtains_one(type_name, one, mask, views) for one in self.flat(type_name, fields))
        self._active.discard(asked)
        if not self._active:
            self._cut = False
        if found or not self._cut:
            self._obtained[asked] = found
        return found

    def _obtains_one(self, type_name: str, one: Picked, mask: int, views: Views) -> bool:
        if one.name == "__typename":
            return True
        able = self.able(type_name, one.name, mask, views) & ~self.contextual(type_name, one.name)
        if not able or not one.inner:
            return bool(able)
        child = named(self.field(type_name, one.name).type)
        below = self.views_below(type_name, one.name, able, views)
        return all(
            self.obtains(possible, one.inner, self.closure(possible, able, below), below)
            for possible in self.possible(child)
        )

    def able(self, type_name: str, name: str, mask: int, views: Views = ()) -> int:
        """Return who of `mask` can resolve a field of an object that can be had in all of `mask`."""
        asked = (type_name, name, mask, views)
        able = self._able.get(asked)
        if able is None:
            able = self.resolvers(type_name, name) & mask
            for number in bits(able):
                requires = self.source(type_name, name, number).requires
                if requires and not self.obtains(type_name, requires, mask, views):
                    able &= ~(1 << number)
            able |= self.provided(type_name, name, views)
            if not self._active:  # what was found inside a cycle may not be all
                self._able[asked] = able
        return able

    def provided(self, type_name: str, name: str, views: Views) -> int:
        """Return the mask of subgraphs whose arrival brings a field by @provides."""
        mask = 0
        for number, fields in views:
            if any(one.name == name for one in self.flat(type_name, fields)):
                mask |= 1 << number
        return mask

    def views_below(self, type_name: str, name: str, mask: int, views: Views = ()) -> Views:
        """Return what @provides adds to the objects under a field fetched from the subgraphs in `mask`."""
        found: dict[int, FieldSet] = {}
        for number in bits(mask):
            provides = self.source(type_name, name, number).provides
            if provides:
                found[number] = provides
        for number, fields in views:
            if mask >> number & 1:
                for one in self.flat(type_name, fields):
                    if one.name == name and one.inner:
                        found[number] = (*found.get(number, ()), *one.inner)
        return tuple(sorted(found.items()))

    def flat(self, type_name: str, fields: FieldSet) -> Iterator[Picked]:
        """Yield the fields of a field set that count for an object type, fragments resolved."""
        for one in fields:
            if isinstance(one, Picked):
                yield one
            elif one.on is None or one.on == type_name or self._is_a(type_name, one.on):
                yield from self.flat(type_name, one.inner)

    def _is_a(self, type_name: str, other: str) -> bool:
        return other in self.types and type_name in self.possible(other)
