"""A plan told to people, as text, JSON and Mermaid: with what it costs each module, and what its absence would cost.

The cost is the number of objects that a module is asked for, a list taken as LIST_ITEMS.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from router.planning.plan import Fetch, FieldShape, QueryPlan, Shape, Steps

LIST_ITEMS = 10


def explain_text(plan: QueryPlan) -> str:
    """Print a plan for a terminal: fetches by level with what they ask, then what is lost without each module."""
    count = len(plan.fetches)
    lines = [f"{count} fetch{'' if count == 1 else 'es'} in {plan.levels} level{'' if plan.levels == 1 else 's'}"]
    if not plan.is_optimal:
        lines[0] += " (the search was not finished: there may be a plan with fewer)"
    for fetch in sorted(plan.fetches, key=lambda one: (one.level, one.id)):
        after = f" after {', '.join(f'#{number}' for number in fetch.needs)}" if fetch.needs else ""
        where = f" for each {_where(fetch)}" if fetch.steps else ""
        lines.append(f"  {fetch.level}. #{fetch.id} {fetch.subgraph}{where}{after}: {{{fetch.selection}}}")
    for one in plan.deferrals:
        waits = ", ".join(f"#{number}" for number in sorted(one.fetches - plan.first))
        lines.append(f"deferred{f' {one.label!r}' if one.label is not None else ''}: comes after {waits}")
    for module, count in costs(plan).items():
        lines.append(f"cost of {module}: about {count} object{'' if count == 1 else 's'}")
    for module, paths in losses(plan).items():
        lines.append(f"without {module}: {', '.join(paths)} would be null")
    return "\n".join(lines) + "\n"


def explain_json(plan: QueryPlan) -> dict[str, Any]:
    """Return a plan as JSON values, for `extensions.plan`."""
    estimated = estimates(plan)
    return {
        "fetches": [
            {
                "id": one.id,
                "module": one.subgraph,
                "level": one.level,
                "after": list(one.needs),
                "at": _where(one),
                "selection": one.selection,
                "variables": list(one.variables),
                "contexts": [context.name for context in one.contexts],
                "cost": estimated.get(one.id, 0),
            }
            for one in plan.fetches
        ],
        "levels": plan.levels,
        "optimal": plan.is_optimal,
        "deferred": [{"label": one.label, "fetches": sorted(one.fetches - plan.first)} for one in plan.deferrals],
        "cost": costs(plan),
        "lostWithout": losses(plan),
    }


def explain_mermaid(plan: QueryPlan) -> str:
    """Print a plan as a Mermaid flow chart; a dashed line leads to what is lost without a module."""
    lines = ["flowchart TD"]
    estimated = estimates(plan)
    for fetch in plan.fetches:
        what = f"{_where(fetch) or fetch.operation}<br/>~{estimated.get(fetch.id, 0)} objects"
        lines.append(f'  f{fetch.id}["{fetch.subgraph}<br/>{what}"]')
        lines += [f"  f{number} --> f{fetch.id}" for number in fetch.needs]
    for number, (module, paths) in enumerate(losses(plan).items()):
        lines.append(f'  l{number}(["without {module}:<br/>{"<br/>".join(paths)}"])')
        lines += [f"  f{fetch.id} -.-> l{number}" for fetch in plan.fetches if fetch.subgraph == module]
    return "\n".join(lines) + "\n"


def costs(plan: QueryPlan) -> dict[str, int]:
    """Return, by module, how many objects it is asked for."""
    estimated = estimates(plan)
    found: dict[str, int] = {}
    for fetch in plan.fetches:
        found[fetch.subgraph] = found.get(fetch.subgraph, 0) + estimated.get(fetch.id, 0)
    return found


def estimates(plan: QueryPlan) -> dict[int, int]:
    """Return, by the id of a fetch, how many objects it asks for; of several types at one place the dearest counts."""
    slots = {fetch.slot: fetch.id for fetch in plan.fetches if fetch.slot is not None}
    roots = {key: fetch.id for fetch in plan.fetches if not fetch.steps for key in fetch.names}
    return _estimated(plan.shape, slots, roots, None, 1)


def _estimated(
    shape: Shape, slots: Mapping[str, int], roots: Mapping[str, int], here: int | None, times: int
) -> dict[int, int]:
    """Return the estimates for `times` objects of a place that the fetch `here` brought; None is the root."""
    found: dict[int, int] = {}
    for fields in shape.by_type.values():
        mine: dict[int, int] = dict.fromkeys(
            (slots[one.steps[0]] for one in fields if one.steps and one.steps[0] in slots), times
        )
        for one in fields:
            first = one.steps[0] if one.steps else ""
            fetch = slots.get(first, roots.get(first) if here is None else here)
            if one.child is not None and fetch is not None:
                count = times * LIST_ITEMS ** one.type.count("[")
                mine[fetch] = mine.get(fetch, 0) + count
                for number, more in _estimated(one.child, slots, {}, fetch, count).items():
                    mine[number] = mine.get(number, 0) + more
        found = {number: max(found.get(number, 0), mine.get(number, 0)) for number in {**found, **mine}}
    return found


def losses(plan: QueryPlan) -> dict[str, list[str]]:
    """Return, by module, the paths that are null when it does not answer, after null propagation."""
    modules = dict.fromkeys(fetch.subgraph for fetch in plan.fetches)
    return {module: sorted(_lost(plan, module)) for module in modules}


def _lost(plan: QueryPlan, module: str) -> Iterator[str]:
    gone = {fetch.id for fetch in plan.fetches if fetch.subgraph == module}
    for fetch in plan.fetches:  # each after those it needs
        if gone.intersection(fetch.needs):
            gone.add(fetch.id)
    slots = {fetch.slot for fetch in plan.fetches if fetch.id in gone and fetch.slot is not None}
    roots = {key for fetch in plan.fetches if fetch.id in gone and not fetch.steps for key in fetch.names}
    found, is_all = _walk(plan.shape, "", slots, roots)
    yield from ["data"] if is_all else found


def _walk(shape: Shape, path: str, slots: set[str], roots: set[str]) -> tuple[list[str], bool]:
    """Return the lost paths below an object, and whether one of them takes the object along."""
    found: dict[str, None] = {}
    for fields in shape.by_type.values():
        for field in fields:
            here = f"{path}.{field.response}" if path else field.response
            below, is_lost = _field(field, here, slots, roots)
            if is_lost and field.type.endswith("!"):
                return [], True
            found |= dict.fromkeys([here] if is_lost else below)
    return list(found), False


def _field(field: FieldShape, path: str, slots: set[str], roots: set[str]) -> tuple[list[str], bool]:
    if _is_gone(field.steps, slots, roots):
        return [], True
    if field.child is None:
        return [], False
    found, is_all = _walk(field.child, path, slots, set())
    items = field.type.count("[")
    survives = items and not field.type.rstrip("!").endswith("!]")
    return ([f"{path}[]"], False) if is_all and survives else (found, is_all)


def _is_gone(steps: Steps, slots: set[str], roots: set[str]) -> bool:
    return bool(steps) and (steps[0] in slots or (len(steps) == 1 and steps[0] in roots))


def _where(fetch: Fetch) -> str:
    return ".".join(step.key + "[]" * step.lists for step in fetch.steps if not step.key.startswith("_"))
