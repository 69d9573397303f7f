"""Merging enums, last of all: what an enum is used for decides how."""

from collections.abc import Mapping

from router.composition.facts import EnumValue, TypeFacts
from router.composition.merge.directives import merge_applied
from router.composition.merge.merging import Merging, merge_description
from router.composition.report import HintLevel
from router.supergraph import model


def merge_enum(merging: Merging, name: str, sources: Mapping[int, TypeFacts]) -> dict[str, model.EnumValue]:
    """Return the values: of an output all, of an input the common ones; used as both, subgraphs must agree."""
    as_input, as_output = merging.inputs.get(name), merging.outputs.get(name)
    if as_input is None and as_output is None and "__" not in name:
        message = f"The enum {name} is defined but no field or argument uses it: all values are kept."
        merging.hint("UNUSED_ENUM_TYPE", HintLevel.DEBUG, message, name, sources.values())
    merged: dict[str, model.EnumValue] = {}
    for value in {value: None for one in sources.values() for value in one.values}:
        given = {index: one.values[value] for index, one in sources.items() if value in one.values}
        if len(given) == len(sources) or _keeps(merging, sources, given, name, value):
            merged[value] = _merge(merging, given, f"{name}.{value}")
    if not merged:
        message = f"No value of the enum {name} is known to all of {merging.names(sources)}: agree on at least one."
        merging.error("EMPTY_MERGED_ENUM_TYPE", message, sources.values())
    return merged


def _keeps(
    merging: Merging, sources: Mapping[int, TypeFacts], given: Mapping[int, EnumValue], name: str, value: str
) -> bool:
    """Whether a value that some subgraphs lack stays."""
    as_input, as_output = merging.inputs.get(name), merging.outputs.get(name)
    missing = [index for index in sources if index not in given]
    told = f"{name}.{value} is in {merging.names(given)} but not in {merging.names(missing)}"
    if as_input and as_output and not any(one.has("inaccessible") for one in given.values()):
        message = (
            f"{told}, and {name} is both input (of {as_input}) and output (of {as_output}): "
            f"give it the same values everywhere."
        )
        merging.error("ENUM_VALUE_MISMATCH", message, sources.values())
        return True
    if as_input and not as_output:
        code = "INCONSISTENT_ENUM_VALUE_FOR_INPUT_ENUM"
        merging.hint(code, HintLevel.WARN, f"{told}: it is left out.", f"{name}.{value}", given.values())
        return False
    if not as_input:
        code = "INCONSISTENT_ENUM_VALUE_FOR_OUTPUT_ENUM"
        merging.hint(code, HintLevel.DEBUG, f"{told}: it is kept.", f"{name}.{value}", given.values())
    return True


def _merge(merging: Merging, sources: Mapping[int, EnumValue], at: str) -> model.EnumValue:
    return model.EnumValue(
        name=next(iter(sources.values())).name,
        subgraphs=sum(1 << index for index in sources),
        description=merge_description(merging, sources, at),
        applied=merge_applied(merging, sources, at),
    )
