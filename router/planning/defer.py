"""Which fetches can wait: @defer, seen from the fetches that a plan makes anyway.

A fetch that any field needs at once is never deferred. So a fragment is only worth deferring if it has a fetch of its
own; one that hasn't comes with what is around it.
"""

from collections.abc import Sequence

from router.planning.normalize import Defer
from router.planning.places import Group
from router.planning.plan import Deferral


def deferrals(groups: Sequence[Group]) -> tuple[frozenset[int], dict[Defer, Deferral]]:
    """Return the fetches that come at once, and for each @defer what it waits for; several may share one."""
    every = frozenset(group.id for group in groups)
    if all(node.want.asked.defer is None for group in groups for node in group.nodes):
        return every, {}
    needed: dict[Defer | None, set[int]] = {None: set()}
    order: dict[Defer, None] = {}
    for group in groups:
        for node in group.nodes:
            if node.want.response is not None:
                defer = node.want.asked.defer
                needed.setdefault(defer, set()).update(one.id for one in group.all_needs())
                _note(order, defer)
    first = frozenset(needed[None])
    told: dict[Defer, Deferral] = {}
    places = {defer: number for number, defer in enumerate(order)}
    if any(places.get(one, 0) > places[defer] for defer in order for one in defer.after):
        return every, {}  # two fragments share fields in both directions: neither can come first
    for defer in order:
        before = [told[one] for one in defer.after if one in told]
        fetches = frozenset(needed.get(defer, ())) | {n for one in before for n in one.fetches}
        if fetches <= first | {n for one in before for n in one.fetches}:
            if before:
                told[defer] = before[0]
        else:
            told[defer] = Deferral(len(set(told.values())), defer.label, fetches, tuple(one.id for one in before))
    return first, told


def _note(order: dict[Defer, None], defer: Defer | None) -> None:
    """Put a @defer behind those it comes after."""
    seen: set[Defer] = set()

    def visit(one: Defer) -> None:
        if one not in order and one not in seen:
            seen.add(one)
            for other in one.after:
                visit(other)
            order[one] = None

    if defer is not None:
        visit(defer)
