"""Whether a constant fits a type of a subgraph."""

from router.composition.facts import SubgraphFacts, TypeFacts, named_type
from router.composition.values import EnumName, Value, Variable, print_value


def misfit(facts: SubgraphFacts, value: Value, reference: str) -> str:
    """Return why a constant does not fit a type, or nothing."""
    if isinstance(value, Variable):
        return f"${value.name} is a variable, a constant is needed"
    if reference.endswith("!"):
        return f"null is not {reference}" if value is None else misfit(facts, value, reference[:-1])
    if value is None:
        return ""
    if reference.startswith("["):
        items = value if isinstance(value, list) else [value]
        return next((wrong for one in items if (wrong := misfit(facts, one, reference[1:-1]))), "")
    owner = facts.types.get(named_type(reference))
    if owner is not None and owner.kind == "ENUM":
        fits = isinstance(value, EnumName) and str(value) in owner.values
        return "" if fits else f"{print_value(value)} is no value of {owner.name}"
    if owner is not None and owner.kind == "INPUT_OBJECT":
        return _input_misfit(facts, value, owner)
    return "" if _fits_scalar(value, reference) else f"{print_value(value)} is not {reference}"


def _input_misfit(facts: SubgraphFacts, value: Value, owner: TypeFacts) -> str:
    if not isinstance(value, dict):
        return f"{print_value(value)} is not {owner.name}"
    for name in value:
        if name not in owner.fields:
            return f"{owner.name} has no field {name}"
    for field in owner.fields.values():
        if field.name not in value:
            if field.is_required:
                return f"{owner.name} needs {field.name}"
        elif wrong := misfit(facts, value[field.name], field.type):
            return wrong
    return ""


def _fits_scalar(value: Value, name: str) -> bool:
    match name:
        case "Int":
            return isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31
        case "Float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "String":
            return isinstance(value, str) and not isinstance(value, EnumName)
        case "Boolean":
            return isinstance(value, bool)
        case "ID":
            return isinstance(value, int | str) and not isinstance(value, bool | EnumName)
        case _:
            return True
