"""What every merge needs: who says what, how types relate, and a way to tell."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from router.composition.facts import Element, SubgraphFacts, TypeFacts, item_type, nullable
from router.composition.report import Hint, HintLevel, Location, Report

E = TypeVar("E", bound=Element)


@dataclass(slots=True)
class Merging:
    """The subgraphs under merge. `types` has, per type name, its facts by subgraph number.

    `implementers` has, per interface, the object types that implement it anywhere; `by_interface_object`, per object,
    the (subgraph, interface) pairs that resolve its fields through an @interfaceObject. `inputs` and `outputs` name the
    first use of a type by an argument or input field, and by a field: it decides how an enum merges. `shown` maps the
    canonical name of each directive that the supergraph shows to its name there; `composers` has, per composed directive,
    the subgraphs that ask for it with @composeDirective: what others apply is left out.
    """

    subgraphs: Sequence[SubgraphFacts]
    report: Report
    types: dict[str, dict[int, TypeFacts]] = field(default_factory=dict[str, dict[int, TypeFacts]])
    supertypes: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    implementers: dict[str, dict[str, None]] = field(default_factory=dict[str, dict[str, None]])
    by_interface_object: dict[str, list[tuple[int, str]]] = field(default_factory=dict[str, list[tuple[int, str]]])
    inputs: dict[str, str] = field(default_factory=dict[str, str])
    outputs: dict[str, str] = field(default_factory=dict[str, str])
    enums: set[str] = field(default_factory=set[str])
    asked_supertypes: bool = False
    shown: dict[str, str] = field(default_factory=dict[str, str])
    composers: dict[str, frozenset[int]] = field(default_factory=dict[str, frozenset[int]])
    repeatable: set[str] = field(default_factory=set[str])

    def declared(self, name: str) -> dict[int, TypeFacts]:
        """Return a type's facts by subgraph number."""
        return self.types.get(name, {})

    def places(self, coordinate: str) -> list[Location]:
        """Return where `Type`, `Type.field` or `Type.field(argument:)` stands, in each subgraph that has it."""
        path = _path(coordinate)
        found = [_down(owner, path) for owner in self.declared(path[0]).values()]
        return [elements[-1].location for elements in found if len(elements) == len(path)]

    def sides(self, coordinate: str, indexes: Iterable[int]) -> list[Location]:
        """Return where a coordinate stands in each of the subgraphs; where one lacks it, the field or type it belongs to."""
        path = _path(coordinate)
        declared = self.declared(path[0])
        return [_down(declared[index], path)[-1].location for index in indexes if index in declared]

    def definitions(self, directive: str) -> list[Location]:
        """Return where a directive is defined."""
        return [one.directives[directive].location for one in self.subgraphs if directive in one.directives]

    def names(self, indexes: Iterable[int]) -> str:
        """Return `subgraph "a"`, or `subgraphs "a", "b" and "c"`."""
        return subgraph_names([self.subgraphs[index].name for index in indexes])

    def error(self, code: str, message: str, elements: Iterable[Element] = ()) -> None:
        """Note an error at the places of the elements."""
        self.report.error(code, message, at=[one.location for one in elements])

    def hint(
        self, code: str, level: HintLevel, message: str, coordinate: str, elements: Iterable[Element] = ()
    ) -> None:
        """Note a hint at the places of the elements."""
        places: tuple[Location, ...] = tuple(one.location for one in elements)
        self.report.hints.append(Hint(code, level, message, coordinate, places))

    def is_subtype(self, one: str, other: str) -> bool:
        """Whether a value of type `one` is always a value of type `other`; equal types are not asked for.

        Non-null is a subtype of nullable, an implementer of its interface, a member of its union, lists item by item.
        """
        if one == other:
            return True
        if one.endswith("!"):
            return self.is_subtype(one[:-1], nullable(other))
        if other.endswith("!"):
            return False
        mine, theirs = item_type(one), item_type(other)
        if mine is not None or theirs is not None:
            return mine is not None and theirs is not None and self.is_subtype(mine, theirs)
        self.asked_supertypes = True
        return other in self.supertypes.get(one, ())


def _path(coordinate: str) -> list[str]:
    """Return the names in `Type.field(argument:)`."""
    return coordinate.replace("(", ".").replace(":)", "").split(".")


def _down(owner: TypeFacts, path: Sequence[str]) -> list[Element]:
    """Return the type, field and argument of a path, as far as the subgraph has them."""
    field = owner.fields.get(path[1]) if len(path) > 1 else None
    argument = field.arguments.get(path[2]) if field and len(path) > 2 else None
    return [one for one in (owner, field, argument) if one is not None]


def subgraph_names(names: Sequence[str]) -> str:
    """Return `subgraph "a"`, or `subgraphs "a", "b" and "c"`."""
    quoted = [f'"{name}"' for name in names]
    if len(quoted) == 1:
        return f"subgraph {quoted[0]}"
    return f"subgraphs {', '.join(quoted[:-1])} and {quoted[-1]}"


def index_types(merging: Merging) -> None:
    """Fill in who has which type, and which type is a kind of which."""
    for subgraph in merging.subgraphs:
        for owner in subgraph.types.values():
            merging.types.setdefault(owner.name, {})[subgraph.index] = owner
            if owner.kind == "ENUM":
                merging.enums.add(owner.name)
            for interface in owner.interfaces:
                merging.supertypes.setdefault(owner.name, set()).add(interface)
                if owner.kind == "OBJECT":
                    merging.implementers.setdefault(interface, {})[owner.name] = None
            for member in owner.members:
                merging.supertypes.setdefault(member, set()).add(owner.name)
    for name, sources in merging.types.items():
        for index, owner in sources.items():
            if owner.kind == "OBJECT" and owner.directives and owner.has("interfaceObject"):
                for implementer in merging.implementers.get(name, ()):
                    merging.by_interface_object.setdefault(implementer, []).append((index, name))


def merge_description(merging: Merging, sources: Mapping[int, E], coordinate: str) -> str | None:
    """Return the description most subgraphs give, the first on a tie; differing ones are a hint."""
    given = [one.description for one in sources.values() if one.description]
    if not given:
        return None
    if len(given) == 1:
        return given[0]
    counts = Counter(given)
    if len(counts) == 1:
        return given[0]
    best = max(counts, key=lambda text: counts[text])
    chosen = [index for index, one in sources.items() if one.description == best]
    message = f"The description of {coordinate} differs between subgraphs; that of {merging.names(chosen)} is used."
    merging.hint("INCONSISTENT_DESCRIPTION", HintLevel.WARN, message, coordinate, sources.values())
    return best


def merge_type_reference(merging: Merging, references: Mapping[int, str], *, is_input: bool) -> tuple[str, bool]:
    """Return the merged type reference and whether all subgraphs' types agree with it well enough.

    Output: the most general type, as every subgraph's value must fit. Input: the most specific, as every subgraph must
    accept it.
    """
    merged = ""
    for reference in references.values():
        if not merged or reference == merged:
            merged = reference
        elif merging.is_subtype(reference, merged):
            merged = reference if is_input else merged
        elif merging.is_subtype(merged, reference):
            merged = merged if is_input else reference
        else:
            return next(iter(references.values())), False
    return merged, True


def describe_types(merging: Merging, references: Mapping[int, str]) -> str:
    """Return `"Int" in subgraph "a" and "String" in subgraphs "b" and "c"`."""
    return describe(merging, {index: f'"{reference}"' for index, reference in references.items()})


def describe(merging: Merging, texts: Mapping[int, str]) -> str:
    """Return each text with the subgraphs that say so."""
    by_text: dict[str, list[int]] = {}
    for index, text in texts.items():
        by_text.setdefault(text, []).append(index)
    return " but ".join(f"{text} in {merging.names(indexes)}" for text, indexes in by_text.items())
