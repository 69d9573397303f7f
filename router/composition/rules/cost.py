"""@cost and @listSize: what they say must be about something that has a cost or a size."""

from collections.abc import Iterator

from router.composition.facts import Applied, Field, SubgraphFacts, TypeFacts, item_type, named_type, nullable
from router.composition.report import Report
from router.composition.values import Value


def check_cost(facts: SubgraphFacts, report: Report) -> None:
    """COST_APPLIED_TO_INTERFACE_FIELD: costs are those of resolvers, and an interface's fields have none."""
    for owner in facts.types.values():
        for field in owner.fields.values() if owner.kind == "INTERFACE" else ():
            mark = field.first("cost")
            if mark is not None:
                message = f'[{facts.name}] @cost on "{owner.name}.{field.name}": move it to the implementations.'
                report.error("COST_APPLIED_TO_INTERFACE_FIELD", message, at=[mark.location])


def check_list_size(facts: SubgraphFacts, report: Report) -> None:
    """LIST_SIZE_*: the size is of a list, not negative, and told by integer arguments and list fields."""
    for owner in facts.types.values():
        for field in owner.fields.values():
            mark = field.first("listSize") if field.directives else None
            if mark is not None:
                for code, problem in _problems(facts, owner, field, mark):
                    message = f'[{facts.name}] @listSize on "{owner.name}.{field.name}": {problem}.'
                    report.error(code, message, at=[mark.location])


def _problems(facts: SubgraphFacts, owner: TypeFacts, field: Field, mark: Applied) -> Iterator[tuple[str, str]]:
    sized = mark.arguments.get("sizedFields")
    if sized is None and item_type(field.type) is None:
        yield "LIST_SIZE_APPLIED_TO_NON_LIST", f"its type {field.type} is no list, so name its sizedFields or remove it"
    assumed = mark.arguments.get("assumedSize")
    if isinstance(assumed, int) and assumed < 0:
        yield "LIST_SIZE_INVALID_ASSUMED_SIZE", f"the assumed size {assumed} is negative"
    for name in _texts(mark.arguments.get("slicingArguments")):
        argument = field.arguments.get(name)
        if argument is None:
            yield "LIST_SIZE_INVALID_SLICING_ARGUMENT", f'"{name}" is no argument of {owner.name}.{field.name}'
        elif nullable(argument.type) != "Int":
            yield "LIST_SIZE_INVALID_SLICING_ARGUMENT", f'the argument "{name}" is {argument.type}, it must be an Int'
    target = facts.types.get(named_type(field.type))
    if sized is not None and (target is None or target.kind not in ("OBJECT", "INTERFACE")):
        yield "LIST_SIZE_INVALID_SIZED_FIELD", f"{field.type} has no fields that could be sized"
        return
    for name in _texts(sized):
        child = target.fields.get(name) if target else None
        if child is None:
            yield "LIST_SIZE_INVALID_SIZED_FIELD", f'"{name}" is no field of {named_type(field.type)}'
        elif item_type(child.type) is None:
            yield "LIST_SIZE_APPLIED_TO_NON_LIST", f'the sized field "{name}" is {child.type}, no list'


def _texts(value: Value) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [one for one in items if isinstance(one, str)]
