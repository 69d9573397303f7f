"""Which lists may come in pieces: @stream, seen from the fetches that a plan makes anyway.

A list is not parted where a fetch elsewhere reads its items (by @requires), where two subgraphs serve parts of it, inside
a deferred fragment or another streamed list, or where fields that share its key do not ask the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from router.planning.places import Node
from router.planning.plan import Stream
from router.planning.stage import Stager


def streams(stager: Stager) -> dict[Node, Stream]:
    """Return the fields whose lists come in pieces."""
    if all(node.want.streamed is None for group in stager.groups for node in group.nodes):
        return {}
    entered = [
        (group, node) for group in stager.groups for node in group.nodes if not stager.is_inline(node, group.subgraph)
    ]
    nodes = [node for group in stager.groups for node in group.nodes]
    found: dict[Node, Stream] = {}
    for node in dict.fromkeys(nodes):
        asked = node.want.streamed
        if asked is None or len(node.pick.subgraphs) != 1 or node.want.asked.defer is not None:
            continue
        alike = [one for one in nodes if one.place.path == node.place.path and one.key == node.key]
        if any(one.want.streamed is None for one in alike) or any(one.want.streamed for one in _above(node)):
            continue
        if any(_is_below(need, node) for group, one in entered if not _is_below(one, node)
               for need in stager.reads(one, group.subgraph)):  # fmt: skip
            continue
        group = stager.group(node, *node.pick.subgraphs)
        below = frozenset(one.id for one, inner in entered if _is_below(inner, node, strictly=True))
        steps = stager.steps_to(node)
        found[node] = Stream(len(found), asked.label, asked.first, group.id, steps, node.key, below)
    return found


def _above(node: Node) -> Iterable[Node]:
    parent = node.place.parent
    while parent is not None:
        yield parent
        parent = parent.place.parent


def _is_below(node: Node, other: Node, *, strictly: bool = False) -> bool:
    return (node is other and not strictly) or any(one is other for one in _above(node))
