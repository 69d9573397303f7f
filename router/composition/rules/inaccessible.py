"""@inaccessible: what is left for clients must be a schema that stands without the hidden parts.

Source: the inaccessible specification v0.2, section "Validation".
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from graphql import parse_const_value

from router.composition.merge.merging import Merging
from router.composition.values import EnumName, Value, read_value
from router.supergraph.model import Applied, Argument, EnumValue, Field, Kind, Supergraph, Type, named


class Found(NamedTuple):
    """A problem: its code, its sentence, and the coordinate it is about."""

    code: str
    message: str
    coordinate: str


def check_inaccessible(supergraph: Supergraph, merging: Merging) -> None:
    """Report what the hidden parts break: references, implementations, required inputs, empty types, defaults."""
    hide = merging.shown.get("inaccessible")
    if hide is None:
        return
    api = _Api(supergraph, hide)
    for code, message, coordinate in api.problems():
        merging.report.error(code, message, at=merging.places(coordinate))
    for directive in supergraph.directives.values():
        for argument in directive.arguments.values():
            if api.is_hidden(argument):
                message = f"@{directive.name}({argument.name}:) cannot be @inaccessible: remove the mark."
                merging.report.error("DISALLOWED_INACCESSIBLE", message, at=merging.definitions(directive.name))


def hidden_problems(supergraph: Supergraph, hide: str) -> Iterator[Found]:
    """Yield what the parts marked with the directive `hide` break."""
    return _Api(supergraph, hide).problems()


class _Api:
    """A supergraph seen through @inaccessible."""

    def __init__(self, supergraph: Supergraph, hide: str) -> None:
        self._types = supergraph.types
        self._query = supergraph.roots.get("query")
        self._hide = hide
        self._hidden_types = {one.name for one in self._types.values() if self.is_hidden(one)}

    def is_hidden(self, one: Type | Field | Argument | EnumValue) -> bool:
        """Whether an element is marked itself."""
        return bool(one.applied) and _has(one.applied, self._hide)

    def problems(self) -> Iterator[Found]:
        for one in self._types.values():
            if one.name in self._hidden_types:
                if one.name == self._query:
                    message = f"{one.name} is @inaccessible, but clients need the query root: remove the mark."
                    yield Found("QUERY_ROOT_TYPE_INACCESSIBLE", message, one.name)
                continue
            yield from self._emptied(one)
            for field in one.fields.values():
                yield from self._field(one, field)
            for interface in one.interfaces:
                if interface not in self._hidden_types and interface in self._types:
                    yield from self._implementation(one, self._types[interface])

    def _emptied(self, one: Type) -> Iterator[Found]:
        children = [self.is_hidden(child) for child in (*one.fields.values(), *one.values.values())]
        children += [member in self._hidden_types for member in one.members]
        if children and all(children):
            message = (
                f"All that is in {one.name} is @inaccessible, but {one.name} is not: hide it, too, or show a part."
            )
            yield Found("ONLY_INACCESSIBLE_CHILDREN", message, one.name)

    def _field(self, owner: Type, field: Field) -> Iterator[Found]:
        at = f"{owner.name}.{field.name}"
        if self.is_hidden(field):
            if owner.kind is Kind.INPUT and _is_required(field):
                message = (
                    f"{at} is @inaccessible but required: clients could never give it. Make it optional, or show it."
                )
                yield Found("REQUIRED_INACCESSIBLE", message, at)
            return
        yield from self._reference(field.type, at)
        yield from self._default(field.default, field.type, at)
        for argument in field.arguments.values():
            where = f"{at}({argument.name}:)"
            if self.is_hidden(argument):
                if _is_required(argument):
                    message = f"{where} is @inaccessible but required: clients could never give it. Make it optional."
                    yield Found("REQUIRED_INACCESSIBLE", message, where)
                continue
            yield from self._reference(argument.type, where)
            yield from self._default(argument.default, argument.type, where)

    def _reference(self, reference: str, at: str) -> Iterator[Found]:
        if named(reference) in self._hidden_types:
            message = f"{named(reference)} is @inaccessible, but {at}, which is not, refers to it: hide that, too."
            yield Found("REFERENCED_INACCESSIBLE", message, at)

    def _implementation(self, owner: Type, interface: Type) -> Iterator[Found]:
        for wanted in interface.fields.values():
            mine = owner.fields.get(wanted.name)
            if mine is None or self.is_hidden(wanted):
                continue
            at, theirs = f"{owner.name}.{mine.name}", f"{interface.name}.{wanted.name}"
            if self.is_hidden(mine):
                message = f"{at} is @inaccessible, but {theirs}, which it implements, is not: hide both or none."
                yield Found("IMPLEMENTED_BY_INACCESSIBLE", message, at)
                continue
            yield from self._arguments(mine, wanted, at, theirs)

    def _arguments(self, mine: Field, wanted: Field, at: str, theirs: str) -> Iterator[Found]:
        for argument in mine.arguments.values():
            other = wanted.arguments.get(argument.name)
            where = f"{at}({argument.name}:)"
            if self.is_hidden(argument):
                if other is not None and not self.is_hidden(other):
                    message = f"{where} is @inaccessible, but {theirs}({other.name}:) is not: hide both or none."
                    yield Found("IMPLEMENTED_BY_INACCESSIBLE", message, where)
            elif _is_required(argument) and (other is None or self.is_hidden(other)):
                message = f"{where} is required, but {theirs}({argument.name}:) is @inaccessible: make it optional."
                yield Found("REQUIRED_INACCESSIBLE", message, where)

    def _default(self, default: str | None, reference: str, at: str) -> Iterator[Found]:
        if default is not None:
            for hidden in self._hidden_in(read_value(parse_const_value(default)), reference):
                message = f"{hidden} is @inaccessible, but the default of {at} uses it: choose another default."
                yield Found("DEFAULT_VALUE_USES_INACCESSIBLE", message, at)

    def _hidden_in(self, value: Value, reference: str) -> Iterator[str]:
        owner = self._types.get(named(reference))
        if owner is None:
            return
        if isinstance(value, list):
            for one in value:
                yield from self._hidden_in(one, reference)
        elif isinstance(value, dict):
            for name, one in value.items():
                field = owner.fields.get(name)
                if field is not None:
                    if self.is_hidden(field):
                        yield f"{owner.name}.{name}"
                    yield from self._hidden_in(one, field.type)
        elif isinstance(value, EnumName):
            member = owner.values.get(str(value))
            if member is not None and self.is_hidden(member):
                yield f"{owner.name}.{value}"


def _is_required(one: Argument | Field) -> bool:
    return one.type.endswith("!") and one.default is None


def _has(applied: Iterable[Applied], name: str) -> bool:
    return any(one.name == name for one in applied)
