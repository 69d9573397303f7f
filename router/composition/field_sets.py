"""Field sets (`id organization { id }`) as one subgraph reads them: parsed once, walked against its types."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from graphql import (
    FieldNode,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    print_ast,
)

from router.composition.facts import COMPOSITE, Field, SubgraphFacts, named_type
from router.composition.values import Value, read_value


@dataclass(frozen=True, slots=True)
class Selection:
    """A field, or, where `on` is given, a fragment. `alias` and `directives` are kept to be reported."""

    name: str
    on: str | None
    alias: str | None
    arguments: tuple[tuple[str, Value], ...]
    directives: tuple[str, ...]
    children: tuple["Selection", ...]


@dataclass(frozen=True, slots=True)
class FieldSet:
    """What a `fields` argument holds; `problem` is set, and nothing else, when it is no selection set."""

    selections: tuple[Selection, ...]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """A field reached while walking: `field` is None when the type has no such field."""

    owner: str
    selection: Selection
    field: Field | None


@lru_cache(maxsize=16384)
def parse_field_set(text: str) -> FieldSet:
    """Parse a field set, with or without its outer braces."""
    braced = text if text.lstrip().startswith("{") else f"{{{text}}}"
    try:
        document = parse(braced, no_location=True)
    except GraphQLSyntaxError as problem:
        return FieldSet((), problem.description)
    except RecursionError:
        return FieldSet((), "it nests deeper than can be read")
    only = document.definitions[0]
    if len(document.definitions) != 1 or not isinstance(only, OperationDefinitionNode):
        return FieldSet((), "it is not one selection set")
    selections = _selections(only.selection_set)
    if not selections:
        return FieldSet(
            (), "it selects nothing" if selections is not None else "a fragment must be inline and not empty"
        )
    return FieldSet(selections)


def walk(facts: SubgraphFacts, owner: str, selections: tuple[Selection, ...]) -> Iterator[Visit]:
    """Yield every field a field set selects, parents first; unknown ones once, with no field."""
    for one in selections:
        if one.on is not None:
            target = one.on or owner
            if target in facts.types:
                yield from walk(facts, target, one.children)
            else:
                yield Visit(target, one, None)
        elif one.name != "__typename":
            parent = facts.types.get(owner)
            field = parent.fields.get(one.name) if parent and parent.kind != "UNION" else None
            yield Visit(owner, one, field)
            if field is not None and one.children:
                yield from walk(facts, named_type(field.type), one.children)


def targets(facts: SubgraphFacts, owner: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield (type, field) for each field a field set selects, and for one of an interface its implementations'."""
    for visit in walk(facts, owner, parse_field_set(text).selections):
        if visit.field is None:
            continue
        yield visit.owner, visit.selection.name
        parent = facts.types.get(visit.owner)
        if parent is not None and parent.kind == "INTERFACE":
            for implementation in facts.implementations(visit.owner):
                if visit.selection.name in implementation.fields:
                    yield implementation.name, visit.selection.name


def is_composite(facts: SubgraphFacts, reference: str) -> bool:
    """Whether a type reference leads to an object, interface or union here."""
    owner = facts.types.get(named_type(reference))
    return owner is not None and owner.kind in COMPOSITE


def _selections(node: SelectionSetNode) -> tuple[Selection, ...] | None:
    found: list[Selection] = []
    for one in node.selections:
        directives = tuple(print_ast(directive) for directive in one.directives or ())
        if isinstance(one, FieldNode):
            children = _selections(one.selection_set) if one.selection_set else ()
            name, on, alias = one.name.value, None, one.alias.value if one.alias else None
            arguments = tuple((argument.name.value, read_value(argument.value)) for argument in one.arguments or ())
        elif isinstance(one, InlineFragmentNode):
            children = _selections(one.selection_set)
            name, on, alias = "", one.type_condition.name.value if one.type_condition else "", None
            arguments = ()
        else:
            return None
        if children is None or (not children and one.selection_set):
            return None
        found.append(Selection(name, on, alias, arguments, directives, children))
    return tuple(found)
