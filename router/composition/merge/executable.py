"""Merging executable directives, those that clients write in operations."""

from router.composition.facts import DirectiveFacts, Field
from router.composition.merge.arguments import merge_arguments
from router.composition.merge.merging import Merging, merge_description
from router.composition.report import HintLevel
from router.supergraph import model

_PLACES = (
    "QUERY",
    "MUTATION",
    "SUBSCRIPTION",
    "FIELD",
    "FRAGMENT_DEFINITION",
    "FRAGMENT_SPREAD",
    "INLINE_FRAGMENT",
    "VARIABLE_DEFINITION",
)


def merge_executable(merging: Merging) -> dict[str, model.Directive]:
    """Return the executable directives: they stay where every subgraph has them, with what they have in common."""
    names: dict[str, None] = {}
    for subgraph in merging.subgraphs:
        for one in subgraph.directives.values():
            if one.name not in ("skip", "include") and any(place in _PLACES for place in one.locations):
                names[one.name] = None
    merged: dict[str, model.Directive] = {}
    for name in names:
        if f"@{name}" in merging.shown:
            continue
        made = _merge(merging, name)
        if made is not None:
            merged[name] = made
    return merged


def _merge(merging: Merging, name: str) -> model.Directive | None:
    sources = {one.index: one.directives[name] for one in merging.subgraphs if name in one.directives}
    sources = {i: one for i, one in sources.items() if any(place in _PLACES for place in one.locations)}
    at = f"@{name}"
    if len(sources) < len(merging.subgraphs):
        missing = [one.index for one in merging.subgraphs if one.index not in sources]
        message = f"{at} is left out: it is defined in {merging.names(sources)} but not in {merging.names(missing)}."
        code = "INCONSISTENT_EXECUTABLE_DIRECTIVE_PRESENCE"
        merging.hint(code, HintLevel.WARN, message, at, sources.values())
        return None
    places = [{place for place in one.locations if place in _PLACES} for one in sources.values()]
    common = set[str].intersection(*places)
    if not common:
        message = f"{at} is left out: no place to use it is common to {merging.names(sources)}."
        merging.hint("NO_EXECUTABLE_DIRECTIVE_INTERSECTION", HintLevel.WARN, message, at, sources.values())
        return None
    if any(one != common for one in places):
        message = f"{at} can be used on {', '.join(sorted(common))} only, what {merging.names(sources)} have in common."
        merging.hint("INCONSISTENT_EXECUTABLE_DIRECTIVE_LOCATIONS", HintLevel.WARN, message, at, sources.values())
    repeatable = all(one.is_repeatable for one in sources.values())
    if not repeatable and any(one.is_repeatable for one in sources.values()):
        message = f"{at} is not repeatable, as it is not in all of {merging.names(sources)}."
        merging.hint("INCONSISTENT_EXECUTABLE_DIRECTIVE_REPEATABLE", HintLevel.WARN, message, at, sources.values())
    fields = {index: _as_field(one) for index, one in sources.items()}
    arguments = merge_arguments(merging, fields, at)
    ordered = tuple(place for place in _PLACES if place in common)
    return model.Directive(name, ordered, arguments, repeatable, merge_description(merging, sources, at))


def _as_field(one: DirectiveFacts) -> Field:
    return Field(one.name, one.location, one.description, [], "Boolean", one.arguments)
