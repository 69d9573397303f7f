"""Merging input objects: the fields every subgraph knows."""

from collections.abc import Mapping

from router.composition.facts import Field, TypeFacts, named_type
from router.composition.merge.arguments import merge_default
from router.composition.merge.directives import merge_applied
from router.composition.merge.merging import Merging, describe_types, merge_description, merge_type_reference
from router.composition.report import HintLevel
from router.supergraph import model


def merge_input(merging: Merging, name: str, sources: Mapping[int, TypeFacts]) -> dict[str, model.Field]:
    """Return the fields all subgraphs have; a required one missing somewhere, or none left, is an error."""
    names = {field: None for one in sources.values() for field in one.fields}
    merged: dict[str, model.Field] = {}
    for field in names:
        given = {index: one.fields[field] for index, one in sources.items() if field in one.fields}
        at = f"{name}.{field}"
        made = _merge(merging, given, at)
        if len(given) == len(sources):
            merged[field] = made
        else:
            _missing(merging, given, [index for index in sources if index not in given], at)
    if names and not merged:
        message = f"No field of the input {name} is known to all of {merging.names(sources)}: agree on at least one."
        merging.error("EMPTY_MERGED_INPUT_TYPE", message, sources.values())
    return merged


def _missing(merging: Merging, given: Mapping[int, Field], missing: list[int], at: str) -> None:
    required = [index for index, one in given.items() if one.is_required]
    if required:
        message = (
            f"{at} is required in {merging.names(required)} but not known to {merging.names(missing)}: "
            f"add it there, or make it optional."
        )
        merging.error("REQUIRED_INPUT_FIELD_MISSING_IN_SOME_SUBGRAPH", message, given.values())
        return
    message = f"{at} is left out: it is in {merging.names(given)} but not in {merging.names(missing)}."
    merging.hint("INCONSISTENT_INPUT_OBJECT_FIELD", HintLevel.WARN, message, at, given.values())


def _merge(merging: Merging, sources: Mapping[int, Field], at: str) -> model.Field:
    references = {index: one.type for index, one in sources.items()}
    reference, agrees = merge_type_reference(merging, references, is_input=True)
    if not agrees:
        message = f"The type of {at} differs: it is {describe_types(merging, references)}. Make them the same."
        merging.error("FIELD_TYPE_MISMATCH", message, sources.values())
    differs = len(set(references.values())) > 1
    if agrees and differs:
        message = (
            f'The type of {at} differs but fits: "{reference}" is used; it is {describe_types(merging, references)}.'
        )
        merging.hint("INCONSISTENT_BUT_COMPATIBLE_FIELD_TYPE", HintLevel.INFO, message, at, sources.values())
    merging.inputs.setdefault(named_type(reference), at)
    first = next(iter(sources.values()))
    return model.Field(
        name=first.name,
        type=reference,
        sources={
            index: model.Source(type=one) if one != reference else model.PLAIN for index, one in references.items()
        },
        default=merge_default(
            merging, sources, reference=reference, code="INPUT_FIELD_DEFAULT_MISMATCH", coordinate=at
        ),
        description=merge_description(merging, sources, at),
        applied=merge_applied(merging, sources, at),
    )
