"""Merging input objects: the fields every subgraph knows."""

from collections.abc import Mapping

from router.composition.facts import Field, TypeFacts
from router.composition.merge.directives import merge_applied
from router.composition.merge.input_values import leave_out, merge_default, merge_input_type
from router.composition.merge.merging import Merging, merge_description
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
            leave_out(
                merging,
                given,
                [index for index in sources if index not in given],
                at,
                required="REQUIRED_INPUT_FIELD_MISSING_IN_SOME_SUBGRAPH",
                optional="INCONSISTENT_INPUT_OBJECT_FIELD",
            )
    if names and not merged:
        message = f"No field of the input {name} is known to all of {merging.names(sources)}: agree on at least one."
        merging.error("EMPTY_MERGED_INPUT_TYPE", message, sources.values())
    return merged


def _merge(merging: Merging, sources: Mapping[int, Field], at: str) -> model.Field:
    reference = merge_input_type(
        merging, sources, at, mismatch="FIELD_TYPE_MISMATCH", compatible="INCONSISTENT_BUT_COMPATIBLE_FIELD_TYPE"
    )
    return model.Field(
        name=next(iter(sources.values())).name,
        type=reference,
        sources={
            index: model.Source(type=one.type) if one.type != reference else model.PLAIN
            for index, one in sources.items()
        },
        default=merge_default(
            merging, sources, reference=reference, code="INPUT_FIELD_DEFAULT_MISMATCH", coordinate=at
        ),
        description=merge_description(merging, sources, at),
        applied=merge_applied(merging, sources, at),
    )
