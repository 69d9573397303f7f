"""How long an id of B's takes, and one of nobody's: a difference would tell that the row exists (threat 8, soft)."""

import statistics
import time

from mewayz.proof.ids import ABSENT, A, B
from mewayz.proof.world import World
from shared.graph.names import camel

_ASKS = 40


async def timing_of(world: World) -> float:
    """Return the median over all entities of: the median time for B's id, by that for nobody's.

    Each is asked by turns through the gateway, so that what else the machine does falls on both. 1 is no difference.
    """
    ratios: list[float] = []
    for slug, proven in world.modules.items():
        for model, (_, mark) in proven.module.entities.items():
            if mark.root is None:
                continue
            query = f"query($id: ID!) {{ {camel(mark.root)}(id: $id) {{ id }} }}"
            spent: dict[str, list[float]] = {str(B.row(f"{slug}.{model.__name__}", 1)): [], str(ABSENT): []}
            for number in range(_ASKS):
                for one in list(spent)[:: 1 if number % 2 else -1]:
                    began = time.perf_counter()
                    await world.ask(world.principal(A), query, {"id": one})
                    spent[one].append(time.perf_counter() - began)
            foreign, absent = (statistics.median(times) for times in spent.values())
            ratios.append(foreign / absent)
    return statistics.median(ratios)
