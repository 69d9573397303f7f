"""@context and @fromContext: an argument filled from a field of an enclosing object.

Source: Apollo Federation v2.8, "Saving and referencing data with contexts".
"""

import re
from collections.abc import Iterator

from router.composition.facts import Argument, Field, SubgraphFacts, TypeFacts, item_type, named_type, nullable
from router.composition.field_sets import Selection, parse_field_set
from router.composition.report import Report
from router.composition.usage import context_and_selection


def check_context(facts: SubgraphFacts, report: Report) -> None:
    """CONTEXT_* and NO_CONTEXT_IN_SELECTION: contexts are well named, set where used, and selected from rightly."""
    setters: dict[str, list[TypeFacts]] = {}
    for owner in facts.types.values():
        for use in owner.applied("context") if owner.directives else ():
            name = use.text("name") or ""
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", name):
                message = f'[{facts.name}] The context name "{name}" is wrong: it is made of letters and digits only.'
                report.error("CONTEXT_NAME_INVALID", message, at=[use.location])
            setters.setdefault(name, []).append(owner)
    for owner in facts.types.values():
        for field in owner.fields.values():
            for argument in field.arguments.values():
                if argument.directives and argument.has("fromContext"):
                    for code, problem in _problems(facts, owner, field, argument, setters):
                        message = f"[{facts.name}] {owner.name}.{field.name}({argument.name}:): {problem}."
                        report.error(code, message, at=[argument.location])
    for definition in facts.directives.values():
        for argument in definition.arguments.values():
            if argument.has("fromContext"):
                message = f"[{facts.name}] @fromContext has no meaning on a directive's argument: remove it."
                report.error("CONTEXT_NOT_SET", message, at=[argument.location])


def _problems(
    facts: SubgraphFacts, owner: TypeFacts, field: Field, argument: Argument, setters: dict[str, list[TypeFacts]]
) -> Iterator[tuple[str, str]]:
    if owner.kind != "OBJECT":
        yield (
            "CONTEXT_NOT_SET",
            f"{owner.name} is abstract, and only an object type's field can be filled from a context",
        )
        return
    for interface in owner.interfaces:
        if facts.field_at((interface, field.name)):
            problem = f"the field implements one of the interface {interface}, whose callers know no context"
            yield "CONTEXT_NOT_SET", problem
    if argument.has_default:
        yield "CONTEXT_NOT_SET", "it is always filled from the context, so remove the default"
    if all(key.arguments.get("resolvable") is False for key in owner.applied("key")):
        yield "CONTEXT_NO_RESOLVABLE_KEY", f"{owner.name} needs a resolvable @key, to be entered with the argument"
    mark = argument.first("fromContext")
    text = mark.text("field") if mark else None
    context, selection = context_and_selection(text or "")
    if not context:
        yield "NO_CONTEXT_IN_SELECTION", 'write @fromContext(field: "$context { field }")'
    elif context not in setters:
        yield "CONTEXT_NOT_SET", f'no type here sets the context "{context}" by @context(name: "{context}")'
    else:
        yield from _selection_problems(facts, selection, argument, setters[context])


def _selection_problems(
    facts: SubgraphFacts, text: str, argument: Argument, setters: list[TypeFacts]
) -> Iterator[tuple[str, str]]:
    parsed = parse_field_set(text)
    if parsed.problem:
        yield "CONTEXT_INVALID_SELECTION", f"the selection is wrong, {parsed.problem}"
        return
    for setter in setters:
        fitting = list(_for_type(facts, setter.name, parsed.selections))
        if not fitting:
            yield "CONTEXT_INVALID_SELECTION", f"nothing is selected for {setter.name}, which sets the context, too"
            continue
        problem = _leaf_problem(facts, setter.name, fitting, argument.type)
        if problem:
            yield "CONTEXT_INVALID_SELECTION", problem


def _for_type(facts: SubgraphFacts, owner: str, selections: tuple[Selection, ...]) -> Iterator[Selection]:
    for one in selections:
        if one.on is None:
            yield one
        elif not one.on or facts.runtime_types(one.on) & facts.runtime_types(owner):
            yield from _for_type(facts, owner, one.children)


def _leaf_problem(facts: SubgraphFacts, owner: str, selections: list[Selection], wanted: str) -> str:
    """Follow the one selected field down to its leaf, whose type must fit the argument."""
    current, chosen = owner, selections
    is_nullable = False
    while True:
        if len({one.name for one in chosen}) > 1:
            return "several fields are selected, select one"
        one = chosen[0]
        if one.alias or one.directives:
            return "the selection takes no alias and no directive"
        field = facts.field_at((current, one.name))
        if field is None:
            return f'{current} has no field "{one.name}"'
        is_nullable = is_nullable or not field.type.endswith("!")
        if not one.children:
            given = nullable(field.type) if is_nullable else field.type
            fits = given == wanted or given == nullable(wanted) or _fits(given, wanted)
            return "" if fits and not (wanted.endswith("!") and is_nullable) else f"it is {given}, not {wanted}"
        if item_type(field.type) is not None:
            return f"{current}.{one.name} is a list, the selection must lead to one value"
        current = named_type(field.type)
        chosen = list(_for_type(facts, current, one.children))
        if not chosen:
            return f"nothing is selected of {current}"


def _fits(given: str, wanted: str) -> bool:
    if given.endswith("!"):
        return _fits(given[:-1], nullable(wanted))
    inner, other = item_type(given), item_type(wanted)
    if inner is not None and other is not None:
        return _fits(inner, other) or inner == other
    return given == wanted
