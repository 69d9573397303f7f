"""Whether directives are used as they are defined, and federation's are defined as federation means them."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from graphql import print_ast

from router.composition.facts import (
    BUILT_IN_SCALARS,
    Applied,
    Argument,
    DirectiveFacts,
    Kind,
    SubgraphFacts,
    named_type,
)
from router.composition.federation import (
    FEDERATION,
    FEDERATION_1,
    SINCE,
    SPECS,
    TYPES_SINCE,
    definitions,
    known_directives,
)
from router.composition.reading import canonical_directive
from router.composition.report import Location, Report
from router.composition.rules.types import argument_problems
from router.composition.rules.values import misfit
from router.composition.values import read_value

_NOWHERE = Location("", 0, 0)
_PLACES: dict[Kind, str] = {
    "SCALAR": "SCALAR",
    "OBJECT": "OBJECT",
    "INTERFACE": "INTERFACE",
    "UNION": "UNION",
    "ENUM": "ENUM",
    "INPUT_OBJECT": "INPUT_OBJECT",
}


def check_directives(facts: SubgraphFacts, report: Report) -> None:
    """INVALID_GRAPHQL: each directive used is known, allowed at its place, given the right arguments, and as often."""
    for uses, place in _applied(facts):
        for message, location in _use_problems(facts, uses, place):
            report.error("INVALID_GRAPHQL", f"[{facts.name}] {message}", at=[location])
    for one in facts.directives.values():
        _check_definition(facts, one, report)


def _applied(facts: SubgraphFacts) -> Iterator[tuple[list[Applied], str]]:
    """Yield the directives of each element that has some, with the kind of place."""
    if facts.schema_directives:
        yield facts.schema_directives, "SCHEMA"
    for owner in facts.types.values():
        if owner.directives:
            yield owner.directives, _PLACES[owner.kind]
        place = "INPUT_FIELD_DEFINITION" if owner.kind == "INPUT_OBJECT" else "FIELD_DEFINITION"
        for field in owner.fields.values():
            if field.directives:
                yield field.directives, place
            for argument in field.arguments.values():
                if argument.directives:
                    yield argument.directives, "ARGUMENT_DEFINITION"
        for value in owner.values.values():
            if value.directives:
                yield value.directives, "ENUM_VALUE"


def _use_problems(facts: SubgraphFacts, uses: list[Applied], place: str) -> Iterator[tuple[str, Location]]:
    seen: set[str] = set()
    for use in uses:
        definition = _definition(facts, use)
        if definition is None:
            if use.name.startswith("@"):
                yield _unknown(facts, use), use.location
            continue
        if not _may_stand(facts, use.name, definition, place):
            yield f'Directive "@{use.written}" may not be used on {place}.', use.location
        if use.name in seen and not _is_repeatable(facts, definition, use):
            yield f'Directive "@{use.written}" may be used once only here.', use.location
        seen.add(use.name)
        if use.name != "link":
            yield from _argument_problems(facts, use, definition.arguments.values())


def _may_stand(facts: SubgraphFacts, name: str, definition: DirectiveFacts, place: str) -> bool:
    """Whether a directive may be at a place: @link on the schema always, @tag there since federation v2.3 (tag v0.3)."""
    if place != "SCHEMA" or name not in ("link", "tag"):
        return place in definition.locations
    version, tag = facts.links.federation_version, facts.links.of(f"{SPECS}/tag")
    return name == "link" or (version is not None and version >= (2, 3)) or (tag is not None and tag.version >= (0, 3))


def _argument_problems(facts: SubgraphFacts, use: Applied, known: Iterable[Argument]) -> Iterator[tuple[str, Location]]:
    types = {one.name: one for one in known}
    for name, value in use.arguments.items():
        if name not in types or _is_too_new(facts, use.name, name):
            yield f'Unknown argument "{name}" on directive "@{use.written}".', use.location
        elif types[name].type.startswith("FieldSet"):
            continue
        elif wrong := misfit(facts, value, types[name].type):
            yield f'Argument "{name}" of "@{use.written}" is wrong: {wrong}.', use.location
    for one in types.values():
        if one.is_required and one.name not in use.arguments:
            yield f'Directive "@{use.written}" needs the argument "{one.name}" of type "{one.type}".', use.location


def _definition(facts: SubgraphFacts, use: Applied) -> DirectiveFacts | None:
    if use.name.startswith("@"):
        return facts.directives.get(use.written)
    return known_definition(use.name)


def _is_repeatable(facts: SubgraphFacts, definition: DirectiveFacts, use: Applied) -> bool:
    if use.name == "shareable":
        return (facts.links.federation_version or (2, 0)) >= (2, 2)
    return definition.is_repeatable


def _unknown(facts: SubgraphFacts, use: Applied) -> str:
    name = use.written
    if name in SINCE and facts.is_federation_2:
        return (
            f'Unknown directive "@{name}". To use federation\'s, write "@federation__{name}" '
            f'or add "@{name}" to the import of the @link to the federation specification.'
        )
    if name in SINCE and name not in FEDERATION_1:
        return (
            f'Unknown directive "@{name}". It is of federation 2, and this schema is of federation 1: '
            f"add an @link to the federation specification."
        )
    return f'Unknown directive "@{name}". Define it, or correct the name.'


@lru_cache(maxsize=64)
def known_definition(name: str) -> DirectiveFacts | None:
    """Return the definition of one of federation's or GraphQL's own directives."""
    node = definitions().get(name)
    if node is None:
        return None
    arguments = {
        one.name.value: Argument(
            one.name.value,
            _NOWHERE,
            None,
            [],
            print_ast(one.type),
            read_value(one.default_value) if one.default_value else None,
            one.default_value is not None,
        )
        for one in node.arguments or ()
    }
    places = tuple(one.value for one in node.locations)
    return DirectiveFacts(name, _NOWHERE, None, [], arguments, places, node.repeatable)


def _check_definition(facts: SubgraphFacts, one: DirectiveFacts, report: Report) -> None:
    """DIRECTIVE_DEFINITION_INVALID: a subgraph may define federation's directives itself, but not otherwise."""
    canonical = canonical_directive(facts, known_directives(facts.links.federation_version), one.name)
    known = None if canonical.startswith("@") else known_definition(canonical)
    if known is None or canonical in ("deprecated", "specifiedBy", "oneOf", "link"):
        for argument in one.arguments.values() if canonical.startswith("@") else ():
            for message, location in argument_problems(facts, argument, f"@{one.name}({argument.name}:)"):
                report.error("INVALID_GRAPHQL", f"[{facts.name}] {message}", at=[location])
        return
    for message in _definition_problems(facts, one, known):
        text = f'[{facts.name}] Invalid definition of "@{one.name}": {message}. Remove it, or correct it.'
        report.error("DIRECTIVE_DEFINITION_INVALID", text, at=[one.location])


def _definition_problems(facts: SubgraphFacts, one: DirectiveFacts, known: DirectiveFacts) -> Iterator[str]:
    for argument in known.arguments.values():
        mine = one.arguments.get(argument.name)
        if mine is None:
            if argument.is_required:
                yield f'it lacks the argument "{argument.name}"'
        elif not _fits(mine.type, wanted := _local_type(facts, argument.type)):
            yield f'"{argument.name}" should be {wanted} but is {mine.type}'
    for name in one.arguments:
        if name not in known.arguments or _is_too_new(facts, known.name, name):
            yield f'it has an unknown argument "{name}"'
    places = [place for place in one.locations if place not in known.locations]
    if places:
        yield f"it may not be on {', '.join(places)}"
    if one.is_repeatable and not known.is_repeatable:
        yield "it is not repeatable"


def _is_too_new(facts: SubgraphFacts, directive: str, argument: str) -> bool:
    """Whether an argument came with a later version than the linked one."""
    known = facts.links.federation_version
    return directive == "override" and argument == "label" and known is not None and known < (2, 7)


def _local_type(facts: SubgraphFacts, reference: str) -> str:
    """Return federation's type as it is named in this subgraph."""
    name = named_type(reference)
    if name not in TYPES_SINCE:
        return reference
    link = facts.links.of(FEDERATION)
    return reference.replace(name, link.local_name(name) if link else f"_{name}")


def _fits(mine: str, wanted: str) -> bool:
    """Whether a definition's type will do: a built-in scalar may stand for one of federation's own."""
    own, name = named_type(mine), named_type(wanted)
    return mine == wanted or (
        mine.endswith("!") == wanted.endswith("!") and own in BUILT_IN_SCALARS and name not in BUILT_IN_SCALARS
    )
