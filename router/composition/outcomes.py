"""The steps of the satisfiability walk: what one state leads to, remembered while its types stay the same."""

from collections.abc import Iterable, Mapping

from router.composition.memory import Child, Memory, Outcome
from router.composition.merge.merging import Merging
from router.supergraph.field_set import FieldSet, Narrowed
from router.supergraph.model import Supergraph, Type, bits, named
from router.supergraph.reach import Reach, Views

Known = dict[tuple[str, int, Views, frozenset[str]], Outcome]


class Outcomes:
    """Works out outcomes over one `Reach`; `known` holds those of states whose types have not changed."""

    def __init__(self, supergraph: Supergraph, merging: Merging, reach: Reach, known: Known) -> None:
        self.reach = reach
        self._known = known
        self._hide = merging.shown.get("inaccessible")
        self._roots = frozenset(supergraph.roots.values())
        self._visible: dict[str, list[tuple[str, str, bool]]] = {}

    def of(self, name: str, mask: int, views: Views, held: frozenset[str]) -> Outcome:
        """Return the outcome of an object of a type standing in the subgraphs of `mask`, below objects that set `held`."""
        found = self._known.get((name, mask, views, held))
        if found is None:
            made = self._abstract if self.reach.is_abstract(name) else self._object
            found = self._known[name, mask, views, held] = made(name, mask, views, held)
        return found

    def agree(self, before: Known) -> bool:
        """Whether every state has the outcome it had before: then all that follows is as it was."""
        types = self.reach.types
        return all(key[0] in types and self.of(*key) == outcome for key, outcome in before.items())

    def narrowed(self, child: Child, number: int) -> Child:
        """Return a child as one subgraph alone gives it."""
        alone = 1 << number
        return child._replace(mask=alone, views=self.reach.views_below(child.owner, child.text, alone))

    def _object(self, name: str, mask: int, views: Views, held: frozenset[str]) -> Outcome:
        reach = self.reach
        near = reach.everywhere if name in self._roots else self._near(name, mask, views)
        children: dict[tuple[str, int, Views], Child] = {}
        failed: list[tuple[str, int]] = []
        shared: list[tuple[str, str, int]] = []
        below_held = held.union(reach.contexts(name)) if reach.has_contexts else held
        for field, child, is_composite in self._fields(name):
            able = self._resolving(name, field, near, arrived=mask, views=views)
            able = self._with_contexts(name, field, able, held) if reach.has_contexts else able
            if not able:
                failed.append((field, near))
            elif is_composite:
                below = reach.views_below(name, field, able, views)
                children.setdefault((child, able, below), Child(field, name, child, able, below, below_held))
                if able & (able - 1) and reach.is_abstract(child):
                    shared.append((field, child, able))
        return Outcome(tuple(children.values()), tuple(failed), tuple(shared))

    def _near(self, name: str, mask: int, views: Views) -> int:
        """Return what can be entered from one of the subgraphs: a key is not gathered from two that give the object."""
        near = 0
        for number in bits(mask):
            if not near >> number & 1 or views:
                near |= self.reach.closure(name, 1 << number, _views_of(views, number))
        return near

    def _fields(self, owner: str) -> list[tuple[str, str, bool]]:
        """Return name, named type and whether that is composite, of each field a client may see."""
        found = self._visible.get(owner)
        if found is None:
            found = self._visible[owner] = [
                (field.name, named(field.type), self.reach.is_composite(named(field.type)))
                for field in self.reach.types[owner].fields.values()
                if self._hide is None or not any(use.name == self._hide for use in field.applied)
            ]
        return found

    def _resolving(self, owner: str, name: str, near: int, *, arrived: int, views: Views) -> int:
        """Return who can resolve a field.

        What it @requires must be had from its subgraph, which must then be entered again, by whatever key it has.
        """
        reach = self.reach
        able = reach.able(owner, name, near, views)
        for number in bits(able):
            requires = reach.source(owner, name, number).requires
            if not requires:
                continue
            alone = 1 << number
            mine = _views_of(views, number) if arrived & alone else ()
            if reach.obtains(owner, requires, alone, mine):
                continue
            around = reach.closure(owner, alone, mine)
            if not self._has_key(owner, number) or not reach.obtains(owner, requires, around, mine):
                able &= ~alone
        return able

    def _with_contexts(self, owner: str, name: str, able: int, held: frozenset[str]) -> int:
        """Return who of `able` gets all that it fills arguments from: every context is set further up."""
        for number in bits(able & self.reach.contextual(owner, name)):
            source = self.reach.source(owner, name, number)
            if not all(one.context in held for one in source.context_arguments):
                able &= ~(1 << number)
        return able

    def _has_key(self, name: str, number: int) -> bool:
        types = self.reach.types
        owners = [types[name], *(types[one] for one in types[name].interfaces if one in types)]
        return any(key.subgraph == number for owner in owners for key in owner.keys)

    def _abstract(self, name: str, mask: int, views: Views, held: frozenset[str]) -> Outcome:
        """An abstract type leads to each object type that one of the subgraphs may return."""
        reach = self.reach
        standing = reach.types[name].interface_objects & mask
        children: list[Child] = []
        for possible in reach.possible(name):
            able = standing
            for number in bits(mask & ~standing):
                if possible in reach.possible_in(name, number):
                    able |= 1 << number
            if able and not self._is_hidden(possible):
                below = tuple(one for one in views if able >> one[0] & 1)
                children.append(Child(f"... on {possible}", possible, possible, able, below, held))
        return Outcome(tuple(children), (), ())

    def _is_hidden(self, name: str) -> bool:
        return self._hide is not None and any(use.name == self._hide for use in self.reach.types[name].applied)


def _views_of(views: Views, number: int) -> Views:
    return tuple(one for one in views if one[0] == number)


def forget_outcomes(supergraph: Supergraph, memory: Memory) -> dict[frozenset[str], Known]:
    """Forget the outcomes of states whose types, or types that their keys and @requires lead through, have changed.

    Returns what was forgotten, per set of labels.
    """
    before, now = memory.types, supergraph.types
    changed = {name for name, one in now.items() if before.get(name) is not one} | (before.keys() - now.keys())
    changed |= {member for name in changed if name in now for member in now[name].members}
    memory.types = dict(now)
    if memory.roots != supergraph.roots:
        memory.satisfied.clear()
        memory.roots = dict(supergraph.roots)
    if not changed:
        return {}
    if any(name in before and name in now and before[name].kind is not now[name].kind for name in changed):
        memory.outcomes.clear()
        memory.satisfied.clear()
        return {}
    for types in (before, now):
        changed |= {interface for name in list(changed) if name in types for interface in types[name].interfaces}
    stale = _stale(now, changed, memory)
    forgotten: dict[frozenset[str], Known] = {}
    for labels, known in memory.outcomes.items():
        old = [key for key in known if key[0] in stale or not _names_in(key[2]).isdisjoint(changed)]
        forgotten[labels] = {key: known.pop(key) for key in old}
    return forgotten


def _stale(types: Mapping[str, Type], changed: set[str], memory: Memory) -> set[str]:
    """Return the types that depend on a changed one, be it through others."""
    stale = set(changed)
    dependencies = [(name, found) for name in types if len(found := _dependencies(types, name, memory)) > 1]
    grown = True
    while grown:
        more = [name for name, names in dependencies if name not in stale and not names.isdisjoint(stale)]
        grown = bool(more)
        stale.update(more)
    return stale


def _names_in(views: Views) -> frozenset[str]:
    return frozenset(name for _, fields in views for name in _conditions(fields))


def _conditions(fields: FieldSet) -> Iterable[str]:
    for one in fields:
        if isinstance(one, Narrowed) and one.on:
            yield one.on
        yield from _conditions(one.inner)


def _dependencies(types: Mapping[str, Type], name: str, memory: Memory) -> frozenset[str]:
    """Return the types whose facts decide the outcome of a state of this type."""
    one = types[name]
    known = memory.dependencies.get(name)
    if known is None or known[0] is not one:
        direct = {name, *one.interfaces, *one.members}
        for key in one.keys:
            direct |= _named_in(types, one, key.fields)
        for field in one.fields.values():
            for source in field.sources.values():
                if source.requires or source.provides:
                    direct |= _named_in(types, one, source.requires)
                    direct |= {named(field.type), *_conditions(source.provides)}
        known = memory.dependencies[name] = (one, frozenset(direct))
    return known[1]


def _named_in(types: Mapping[str, Type], owner: Type, fields: FieldSet) -> set[str]:
    """Return the types a field set leads through."""
    found: set[str] = set()
    for one in fields:
        if isinstance(one, Narrowed):
            target = types.get(one.on) if one.on else owner
            found |= {target.name} | _named_in(types, target, one.inner) if target else set()
        elif one.inner and one.name in owner.fields:
            child = types.get(named(owner.fields[one.name].type))
            if child is not None:
                found |= {child.name} | _named_in(types, child, one.inner)
    return found
