"""Merging unions: the members of all subgraphs."""

from collections.abc import Mapping

from router.composition.facts import TypeFacts
from router.composition.merge.merging import Merging
from router.composition.report import HintLevel


def merge_union(merging: Merging, name: str, sources: Mapping[int, TypeFacts]) -> dict[str, int]:
    """Return each member with the mask of subgraphs that know it."""
    masks: dict[str, int] = {}
    for index, one in sources.items():
        for member in one.members:
            masks[member] = masks.get(member, 0) | 1 << index
    for member, mask in masks.items():
        missing = [index for index in sources if not mask >> index & 1]
        if missing:
            having = [index for index in sources if mask >> index & 1]
            message = f"{name} has the member {member} in {merging.names(having)} but not in {merging.names(missing)}."
            merging.hint("INCONSISTENT_UNION_MEMBER", HintLevel.DEBUG, message, name, sources.values())
    return masks
