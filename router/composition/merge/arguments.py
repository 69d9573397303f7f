"""Merging arguments: those all subgraphs take stay, with the most specific type."""

from collections.abc import Mapping

from router.composition.facts import Argument, Field
from router.composition.merge.directives import merge_applied
from router.composition.merge.input_values import leave_out, merge_default, merge_input_type
from router.composition.merge.merging import Merging, merge_description
from router.composition.report import HintLevel
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
            leave_out(
                merging,
                sources,
                missing,
                at,
                required="REQUIRED_ARGUMENT_MISSING_IN_SOME_SUBGRAPH",
                optional="INCONSISTENT_ARGUMENT_PRESENCE",
            )
        else:
            merged[name] = _merge(merging, sources, at)
    return merged


def is_contextual(argument: Argument) -> bool:
    """Whether the router fills the argument from a context: clients never see it."""
    return bool(argument.directives) and argument.has("fromContext")


def _merge(merging: Merging, sources: Mapping[int, Argument], at: str) -> model.Argument:
    reference = merge_input_type(
        merging,
        sources,
        at,
        mismatch="FIELD_ARGUMENT_TYPE_MISMATCH",
        compatible="INCONSISTENT_BUT_COMPATIBLE_ARGUMENT_TYPE",
    )
    return model.Argument(
        name=next(iter(sources.values())).name,
        type=reference,
        default=merge_default(
            merging, sources, reference=reference, code="FIELD_ARGUMENT_DEFAULT_MISMATCH", coordinate=at
        ),
        description=merge_description(merging, sources, at),
        applied=merge_applied(merging, sources, at),
    )


def _contextual_elsewhere(merging: Merging, sources: Mapping[int, Argument], contextual: list[int], at: str) -> None:
    """An argument that is contextual in one subgraph is in every other contextual too, or optional."""
    code = "CONTEXTUAL_ARGUMENT_NOT_CONTEXTUAL_IN_ALL_SUBGRAPHS"
    required = [index for index, one in sources.items() if one.is_required]
    if required:
        message = (
            f"{at} is filled from a context in {merging.names(contextual)} but required in {merging.names(required)}: "
            f"give it @fromContext there too, or make it optional."
        )
        merging.report.error(code, message, at=merging.sides(at, [*contextual, *required]))
        return
    message = f"{at} is left out: it is filled from a context in {merging.names(contextual)}."
    merging.hint(code, HintLevel.INFO, message, at, sources.values())
