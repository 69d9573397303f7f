"""Hints where subgraphs differ in what they say of a type, without being wrong."""

from collections.abc import Mapping

from router.composition.facts import ROOT_NAMES, TypeFacts
from router.composition.merge.merging import Merging
from router.composition.report import HintLevel


def hint_on_object(merging: Merging, name: str, sources: Mapping[int, TypeFacts]) -> None:
    """INCONSISTENT_ENTITY where only some subgraphs give a key; else INCONSISTENT_OBJECT_VALUE_TYPE_FIELD."""
    if len(sources) < 2 or name in ROOT_NAMES.values():
        return
    entities = [index for index, one in sources.items() if one.directives and one.has("key")]
    if not entities:
        _hint_on_fields(merging, name, sources, "INCONSISTENT_OBJECT_VALUE_TYPE_FIELD")
    elif len(entities) < len(sources):
        others = [index for index in sources if index not in entities]
        message = f"{name} is an entity in {merging.names(entities)} but has no @key in {merging.names(others)}."
        merging.hint("INCONSISTENT_ENTITY", HintLevel.INFO, message, name, sources.values())


def hint_on_interface(merging: Merging, name: str, sources: Mapping[int, TypeFacts]) -> None:
    """INCONSISTENT_INTERFACE_VALUE_TYPE_FIELD where only some subgraphs have a field of an interface without key."""
    if not any(one.has("key") for one in sources.values()):
        _hint_on_fields(merging, name, sources, "INCONSISTENT_INTERFACE_VALUE_TYPE_FIELD")


def _hint_on_fields(merging: Merging, name: str, sources: Mapping[int, TypeFacts], code: str) -> None:
    first = next(iter(sources.values()))
    if all(one.fields.keys() == first.fields.keys() for one in sources.values()):
        return
    for field in {field: None for one in sources.values() for field in one.fields}:
        missing = [index for index, one in sources.items() if field not in one.fields]
        if missing:
            having = {index: one.fields[field] for index, one in sources.items() if field in one.fields}
            at = f"{name}.{field}"
            message = f"{at} is in {merging.names(having)} but not in {merging.names(missing)}."
            merging.hint(code, HintLevel.DEBUG, message, at, having.values())
