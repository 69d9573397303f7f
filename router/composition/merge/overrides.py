"""@override: which subgraph's field gives way to which."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from router.composition.facts import Applied, Field, SubgraphFacts
from router.composition.merge.merging import Merging
from router.composition.report import HintLevel

_LABEL = re.compile(r"^[a-zA-Z][a-zA-Z0-9_\-:./]*$")
_PERCENT = re.compile(r"^percent\((\d{1,2}(\.\d{1,8})?|100(\.0{1,8})?)\)$")


@dataclass(slots=True)
class Overrides:
    """What @override says about one field. `taken` maps a subgraph that lost the field to whether it still uses it."""

    source: dict[int, str] = field(default_factory=dict[int, str])
    label: dict[int, str] = field(default_factory=dict[int, str])
    taken: dict[int, bool] = field(default_factory=dict[int, bool])
    migrating: set[int] = field(default_factory=set[int])


NONE = Overrides()


def overrides_of(merging: Merging, owner: str, sources: Mapping[int, Field]) -> Overrides:
    """Work out the overrides of a field and report what is wrong with them."""
    marked = {index: one.first("override") for index, one in sources.items() if one.directives}
    if not any(marked.values()):
        return NONE
    found = Overrides()
    for index, directive in marked.items():
        if directive is not None:
            _apply(merging, owner, sources, index, directive, found)
    return found


def _apply(
    merging: Merging, owner: str, sources: Mapping[int, Field], index: int, directive: Applied, found: Overrides
) -> None:
    mine = merging.subgraphs[index]
    at = f"{owner}.{sources[index].name}"
    source = directive.text("from") or ""
    if mine.types[owner].kind == "INTERFACE":
        message = f'[{mine.name}] @override on "{at}" has no meaning on an interface: move it to the implementations.'
        merging.report.error("OVERRIDE_ON_INTERFACE", message, at=[directive.location])
        return
    if source == mine.name:
        message = f'[{mine.name}] "{at}" overrides itself: name the subgraph the field is taken from.'
        merging.report.error("OVERRIDE_FROM_SELF_ERROR", message, at=[directive.location])
        return
    found.source[index] = source
    other = next((one for one in merging.subgraphs if one.name == source), None)
    if other is None:
        near = get_close_matches(source, [one.name for one in merging.subgraphs], 1)
        guess = f' Did you mean "{near[0]}"?' if near else ""
        message = f'[{mine.name}] "{at}" overrides "{source}", and there is no such subgraph.{guess}'
        merging.hint("FROM_SUBGRAPH_DOES_NOT_EXIST", HintLevel.WARN, message, at, [sources[index]])
        return
    theirs = sources.get(other.index)
    if theirs is None or (owner, theirs.name) in other.external:
        why = "has no such field" if theirs is None else "has it only as @external"
        message = f'[{mine.name}] "{at}" overrides "{source}", which {why}: the @override can be removed.'
        merging.hint("OVERRIDE_DIRECTIVE_CAN_BE_REMOVED", HintLevel.INFO, message, at, [sources[index]])
        return
    if _conflicts(merging, at, (mine, sources[index]), (other, theirs), directive):
        return
    _take(merging, at, index, (other, theirs, owner), directive, found)


def _conflicts(
    merging: Merging,
    at: str,
    mine: tuple[SubgraphFacts, Field],
    theirs: tuple[SubgraphFacts, Field],
    directive: Applied,
) -> bool:
    if theirs[1].has("override"):
        message = (
            f'[{mine[0].name}] "{at}" overrides "{theirs[0].name}", where it has an @override itself: '
            f"keep only one of the two."
        )
        places = [directive.location, theirs[1].location]
        merging.report.error("OVERRIDE_SOURCE_HAS_OVERRIDE", message, at=places)
        return True
    marks = [("requires", theirs), ("provides", theirs), ("external", mine)]
    for name, (subgraph, one) in marks:
        if one.has(name):
            message = (
                f'[{mine[0].name}] @override on "{at}" does not go with @{name} on it in "{subgraph.name}": remove one.'
            )
            merging.report.error(
                "OVERRIDE_COLLISION_WITH_ANOTHER_DIRECTIVE", message, at=[directive.location, one.location]
            )
            return True
    return False


def _take(
    merging: Merging,
    at: str,
    index: int,
    loser: tuple[SubgraphFacts, Field, str],
    directive: Applied,
    found: Overrides,
) -> None:
    other, theirs, owner = loser
    label = directive.text("label")
    if label is not None:
        if not _LABEL.match(label) and not _PERCENT.match(label):
            mine = merging.subgraphs[index].name
            message = (
                f'[{mine}] The label "{label}" of @override on "{at}" is wrong: it is a letter '
                f"followed by letters, digits or _-:./, or percent(n) with n from 0 to 100 and at most 8 decimals."
            )
            merging.report.error("OVERRIDE_LABEL_INVALID", message, at=[directive.location])
        found.label[index] = found.label[other.index] = label
        found.migrating.add(other.index)
        message = f'"{at}" is moving from "{other.name}": when it has moved, remove it there.'
        merging.hint("OVERRIDE_MIGRATION_IN_PROGRESS", HintLevel.INFO, message, at, [theirs])
        return
    is_used = (owner, theirs.name) in other.used
    found.taken[other.index] = is_used
    rest = "is still named by a directive or an interface there: mark it @external" if is_used else "can be removed"
    message = f'"{at}" in "{other.name}" is overridden; it {rest}.'
    merging.hint("OVERRIDDEN_FIELD_CAN_BE_REMOVED", HintLevel.INFO, message, at, [theirs])
