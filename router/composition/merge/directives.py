"""Merging the directives applied to one element: each known directive has its way, composed ones are united."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from router.composition.facts import Applied, Element
from router.composition.merge.merging import Merging
from router.composition.report import HintLevel
from router.composition.values import Value, coerce, print_value
from router.supergraph import model

ONCE = frozenset({"inaccessible", "authenticated", "oneOf"})
JOINED = frozenset({"cacheTag", "connect", "source"})
ARGUMENT_TYPES = {
    "slicingArguments": "[String!]",
    "sizedFields": "[String!]",
    "scopes": "[[String!]!]!",
    "policies": "[[String!]!]!",
}


def merge_applied(merging: Merging, sources: Mapping[int, Element], at: str) -> tuple[model.Applied, ...]:
    """Return the directives the supergraph shows on an element, in the order they are met."""
    by_name: dict[str, list[tuple[int, Applied]]] = {}
    for index, one in sources.items():
        for directive in one.directives:
            if directive.name in merging.composers and index not in merging.composers[directive.name]:
                continue
            by_name.setdefault(directive.name, []).append((index, directive))
    if not by_name:
        return ()
    merged: list[model.Applied] = []
    for name, uses in by_name.items():
        if name in JOINED:
            merged += joined(name, uses)
        elif name in merging.shown:
            shown = merging.shown[name]
            merged += [model.Applied(shown, arguments) for arguments in _merge(merging, name, uses, sources, at)]
    return tuple(merged)


def _merge(
    merging: Merging, name: str, uses: list[tuple[int, Applied]], sources: Mapping[int, Element], at: str
) -> Iterable[dict[str, str]]:
    if name in ONCE:
        return [{}]
    if name == "context":
        return [{"name": print_value(f"{merging.subgraphs[index].name}__{use.text('name')}")} for index, use in uses]
    different = _distinct(use for _, use in uses)
    if len(different) == 1 or name in merging.repeatable:
        return [_text(arguments) for arguments in different]
    if name in _STRATEGIES:
        merged = _STRATEGIES[name](different)
        if any(merged != one for one in different):
            message = f"@{name} on {at} has different arguments in {merging.names(_indexes(uses))}: they are merged."
            code = "MERGED_NON_REPEATABLE_DIRECTIVE_ARGUMENTS"
            merging.hint(code, HintLevel.INFO, message, at, sources.values())
        return [_text(merged)]
    counts = Counter(repr(use.arguments) for _, use in uses)
    best = max(different, key=lambda one: counts[repr(one)])
    message = f"@{merging.shown[name]} on {at} has different arguments in {merging.names(_indexes(uses))}: one is used."
    code = "INCONSISTENT_NON_REPEATABLE_DIRECTIVE_ARGUMENTS"
    merging.hint(code, HintLevel.WARN, message, at, sources.values())
    return [_text(best)]


def joined(name: str, uses: Iterable[tuple[int, Applied]]) -> Iterable[model.Applied]:
    """Return what travels in @join__directive, as routers read it per subgraph: one for each set of arguments."""
    masks: dict[str, tuple[dict[str, str], int]] = {}
    shown = f"federation__{name}" if name == "cacheTag" else name
    for index, use in uses:
        arguments = _text(use.arguments)
        mask = masks.get(repr(arguments), (arguments, 0))[1]
        masks[repr(arguments)] = (arguments, mask | 1 << index)
    return [model.Applied(shown, arguments, mask) for arguments, mask in masks.values()]


def _indexes(uses: list[tuple[int, Applied]]) -> list[int]:
    return list(dict.fromkeys(index for index, _ in uses))


def _distinct(uses: Iterable[Applied]) -> list[dict[str, Value]]:
    found: list[dict[str, Value]] = []
    for use in uses:
        if use.arguments not in found:
            found.append(use.arguments)
    return found


def _text(arguments: Mapping[str, Value]) -> dict[str, str]:
    return {name: print_value(coerce(value, ARGUMENT_TYPES.get(name, ""))) for name, value in arguments.items()}


def _highest_cost(uses: list[dict[str, Value]]) -> dict[str, Value]:
    return max(uses, key=lambda one: weight if isinstance(weight := one.get("weight"), int) else 0)


def _widest_list_size(uses: list[dict[str, Value]]) -> dict[str, Value]:
    merged: dict[str, Value] = {}
    sizes = [size for one in uses if isinstance(size := one.get("assumedSize"), int)]
    if sizes:
        merged["assumedSize"] = max(sizes)
    for name in ("slicingArguments", "sizedFields"):
        given = [coerce(one[name], "[String!]") for one in uses if one.get(name) is not None]
        united: list[Value] = []
        for values in given:
            united += [value for value in values if value not in united] if isinstance(values, list) else []
        if given:
            merged[name] = united
    flags = [one.get("requireOneSlicingArgument", True) for one in uses]
    if any("requireOneSlicingArgument" in one for one in uses):
        merged["requireOneSlicingArgument"] = all(flag is not False for flag in flags)
    return merged


def _all_of(argument: str) -> Callable[[list[dict[str, Value]]], dict[str, Value]]:
    """Requirements of several subgraphs must all hold: the conjunction of alternatives, without redundant ones."""

    def merge(uses: list[dict[str, Value]]) -> dict[str, Value]:
        alternatives: list[frozenset[str]] = [frozenset()]
        for use in uses:
            groups = _groups(use.get(argument))
            alternatives = [one | group for one in alternatives for group in groups] or alternatives
        minimal = [one for one in dict.fromkeys(alternatives) if not any(other < one for other in alternatives)]
        return {argument: [[*sorted(one)] for one in sorted(minimal, key=sorted)]}

    return merge


def _groups(value: Value) -> list[frozenset[str]]:
    coerced = coerce(value, "[[String!]!]!")
    groups: list[frozenset[str]] = []
    for group in coerced if isinstance(coerced, list) else []:
        groups.append(frozenset(str(one) for one in group) if isinstance(group, list) else frozenset())
    return groups


_STRATEGIES: dict[str, Callable[[list[dict[str, Value]]], dict[str, Value]]] = {
    "cost": _highest_cost,
    "listSize": _widest_list_size,
    "requiresScopes": _all_of("scopes"),
    "policy": _all_of("policies"),
}
