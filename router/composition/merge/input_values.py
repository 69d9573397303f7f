"""What arguments and input fields have in common: type, default, and what becomes of one that some subgraphs lack."""

from collections.abc import Mapping
from typing import TypeAlias

from router.composition.facts import Argument, Field, named_type
from router.composition.merge.merging import Merging, describe, describe_types, merge_type_reference
from router.composition.report import HintLevel
from router.composition.values import Value, coerce, print_value

InputValues: TypeAlias = Mapping[int, Argument] | Mapping[int, Field]


def merge_input_type(merging: Merging, sources: InputValues, at: str, *, mismatch: str, compatible: str) -> str:
    """Return the most specific type, as every subgraph must accept it; notes that its type is used as an input.

    Tells the error `mismatch` where the types do not fit, the hint `compatible` where they do but differ.
    """
    references = {index: one.type for index, one in sources.items()}
    reference, agrees = merge_type_reference(merging, references, is_input=True)
    if not agrees:
        message = f"The type of {at} differs: it is {describe_types(merging, references)}. Make them the same."
        merging.error(mismatch, message, sources.values())
    elif len(set(references.values())) > 1:
        message = (
            f'The type of {at} differs but fits: "{reference}" is used; it is {describe_types(merging, references)}.'
        )
        merging.hint(compatible, HintLevel.INFO, message, at, sources.values())
    merging.inputs.setdefault(named_type(reference), at)
    return reference


def leave_out(
    merging: Merging, sources: InputValues, missing: list[int], at: str, *, required: str, optional: str
) -> None:
    """Tell of one that only some subgraphs know: the error `required` where one of them needs it, else the hint `optional`."""
    needing = [index for index, one in sources.items() if one.is_required]
    if needing:
        message = (
            f"{at} is required in {merging.names(needing)} but not known to {merging.names(missing)}: "
            f"add it there, or make it optional."
        )
        merging.report.error(required, message, at=merging.sides(at, [*sources, *missing]))
        return
    message = f"{at} is left out: it is in {merging.names(sources)} but not in {merging.names(missing)}."
    merging.hint(optional, HintLevel.WARN, message, at, sources.values())


def merge_default(
    merging: Merging,
    sources: InputValues,
    *,
    reference: str,
    code: str,
    coordinate: str,
) -> str | None:
    """Return the default as text: all subgraphs must agree, and one that some lack is left out."""
    given = {index: one for index, one in sources.items() if one.has_default}
    if not given:
        return None
    texts = {index: _default_text(one.default, reference) for index, one in given.items()}
    if len(set(texts.values())) > 1:
        shown = {i: f"the default {texts[i]}" if i in texts else "no default" for i in sources}
        message = f"{coordinate} has {describe(merging, shown)}: give it the same default everywhere."
        merging.error(code, message, sources.values())
    elif len(given) < len(sources):
        without = [index for index in sources if index not in given]
        message = (
            f"{coordinate} has the default {next(iter(texts.values()))} in {merging.names(given)} but none in "
            f"{merging.names(without)}: the supergraph has none."
        )
        merging.hint("INCONSISTENT_DEFAULT_VALUE_PRESENCE", HintLevel.WARN, message, coordinate, sources.values())
        return None
    return next(iter(texts.values()))


def _default_text(value: Value, reference: str) -> str:
    coerced = coerce(value, reference)
    if isinstance(coerced, int) and not isinstance(coerced, bool) and named_type(reference) == "Float":
        coerced = float(coerced)
        return str(int(coerced)) if coerced.is_integer() else str(coerced)
    return print_value(coerced)
