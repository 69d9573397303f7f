"""Merging arguments: those all subgraphs take stay, with the most specific type."""

from collections.abc import Mapping

from router.composition.facts import Argument, Field, named_type
from router.composition.merge.directives import merge_applied
from router.composition.merge.merging import Merging, describe, describe_types, merge_description, merge_type_reference
from router.composition.report import HintLevel
from router.composition.values import Value, coerce, print_value
from router.supergraph import model


def merge_arguments(merging: Merging, fields: Mapping[int, Field], coordinate: str) -> dict[str, model.Argument]:
    """Return the arguments every declaring subgraph takes; a required one missing somewhere is an error."""
    if not any(one.arguments for one in fields.values()):
        return {}
    names = {
        name: None for one in fields.values() for name, argument in one.arguments.items() if not is_contextual(argument)
    }
    merged: dict[str, model.Argument] = {}
    for name in names:
        at = f"{coordinate}({name}:)"
        sources = {index: one.arguments[name] for index, one in fields.items() if name in one.arguments}
        contextual = [index for index, one in sources.items() if is_contextual(one)]
        sources = {index: one for index, one in sources.items() if index not in contextual}
        missing = [index for index in fields if index not in sources and index not in contextual]
        if contextual:
            _contextual_elsewhere(merging, sources, contextual, at)
        elif missing:
            _missing(merging, sources, missing, at)
        else:
            merged[name] = _merge(merging, sources, at)
    return merged


def is_contextual(argument: Argument) -> bool:
    """Whether the router fills the argument from a context: clients never see it."""
    return bool(argument.directives) and argument.has("fromContext")


def merge_default(
    merging: Merging,
    sources: Mapping[int, Argument] | Mapping[int, Field],
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


def _merge(merging: Merging, sources: Mapping[int, Argument], at: str) -> model.Argument:
    references = {index: one.type for index, one in sources.items()}
    reference, agrees = merge_type_reference(merging, references, is_input=True)
    if not agrees:
        message = f"The type of {at} differs: it is {describe_types(merging, references)}. Make them the same."
        merging.error("FIELD_ARGUMENT_TYPE_MISMATCH", message, sources.values())
    elif len(set(references.values())) > 1:
        message = (
            f'The type of {at} differs but fits: "{reference}" is used; it is {describe_types(merging, references)}.'
        )
        code = "INCONSISTENT_BUT_COMPATIBLE_ARGUMENT_TYPE"
        merging.hint(code, HintLevel.INFO, message, at, sources.values())
    first = next(iter(sources.values()))
    merging.inputs.setdefault(named_type(reference), at)
    return model.Argument(
        name=first.name,
        type=reference,
        default=merge_default(
            merging, sources, reference=reference, code="FIELD_ARGUMENT_DEFAULT_MISMATCH", coordinate=at
        ),
        description=merge_description(merging, sources, at),
        applied=merge_applied(merging, sources, at),
    )


def _missing(merging: Merging, sources: Mapping[int, Argument], missing: list[int], at: str) -> None:
    required = [index for index, one in sources.items() if one.is_required]
    if required:
        message = (
            f"{at} is required in {merging.names(required)} but not known to {merging.names(missing)}: "
            f"add it there, or make it optional."
        )
        merging.error("REQUIRED_ARGUMENT_MISSING_IN_SOME_SUBGRAPH", message, sources.values())
        return
    message = f"{at} is left out: it is in {merging.names(sources)} but not in {merging.names(missing)}."
    merging.hint("INCONSISTENT_ARGUMENT_PRESENCE", HintLevel.WARN, message, at, sources.values())


def _contextual_elsewhere(merging: Merging, sources: Mapping[int, Argument], contextual: list[int], at: str) -> None:
    """An argument that is contextual in one subgraph is in every other contextual too, or optional."""
    required = [index for index, one in sources.items() if one.is_required]
    if required:
        message = (
            f"{at} is filled from a context in {merging.names(contextual)} but required in {merging.names(required)}: "
            f"give it @fromContext there too, or make it optional."
        )
        merging.error("CONTEXTUAL_ARGUMENT_NOT_CONTEXTUAL_IN_ALL_SUBGRAPHS", message, sources.values())
        return
    message = f"{at} is left out: it is filled from a context in {merging.names(contextual)}."
    code = "CONTEXTUAL_ARGUMENT_NOT_CONTEXTUAL_IN_ALL_SUBGRAPHS"
    merging.hint(code, HintLevel.INFO, message, at, sources.values())
