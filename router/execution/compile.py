"""A plan made ready to run: documents printed once, generated functions for what happens per request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from router.execution.entities import Gather, Walk, compile_gather, compile_walk
from router.execution.errors import Places
from router.execution.project_quick import compile_projection
from router.planning.plan import Fetch, QueryPlan, Step
from router.planning.render import variable_definitions, with_renamed

if TYPE_CHECKING:
    from router.execution.asked import Asked


@dataclass(frozen=True, slots=True)
class Site:
    """A place where fetches start: `walk` leads there from the objects of the site `above`, or from the root (None)."""

    above: int | None
    walk: Walk


@dataclass(frozen=True, slots=True)
class CompiledFetch:
    """A fetch and its generated code; it gathers at the plan's site number `site`, or at the root (None).

    `dependents` are the ids of fetches that may become ready after it.
    """

    fetch: Fetch
    site: int | None
    gather: Gather
    dependents: tuple[int, ...]


class CompiledPlan:
    """A query plan ready to run, shared by all requests that use it."""

    def __init__(self, plan: QueryPlan) -> None:
        """Compile every fetch of a plan."""
        self.plan = plan
        self.places = Places(plan.fetches)
        self.project = compile_projection(plan.shape)
        places = sorted({one.steps for one in plan.fetches if one.steps and not one.contexts}, key=len)
        numbers = {steps: number for number, steps in enumerate(places)}
        self.sites = [_site(steps, numbers) for steps in places]
        self.fetches = [
            CompiledFetch(
                one,
                None if one.contexts else numbers.get(one.steps),
                compile_gather(one),
                tuple(other.id for other in plan.fetches if one.id in other.needs),
            )
            for one in plan.fetches
        ]
        self._representations = "_r"
        while any(name.startswith(self._representations) for name in plan.variables):
            self._representations = f"_{self._representations}"
        self._heads: dict[tuple[int, ...], bytes] = {}

    def body_of(self, fetch: Fetch, variables: Mapping[str, Any]) -> bytes:
        """Return the request body of a fetch of root fields."""
        return self._body((fetch,), _sent((fetch,), variables))

    def body(self, batch: Sequence[Asked], variables: Mapping[str, Any]) -> bytes:
        """Return the request body of what is asked together: root fields, or lists of entities in one document."""
        fetches = [one.fetch for one in batch]
        sent = _sent(fetches, variables)
        if fetches[0].is_entity:
            for number, one in enumerate(batch):
                sent[f"{self._representations}{number}"] = one.representations
                for name, value in (one.values or {}).items():
                    sent[f"{name}_{number}"] = value
        return self._body(fetches, sent)

    def _body(self, fetches: Sequence[Fetch], sent: Mapping[str, Any]) -> bytes:
        head = self._heads.get(ids := tuple([one.id for one in fetches]))
        if head is None:
            head = self._heads[ids] = self._head(fetches)
        return head + orjson.dumps(sent) + b"}" if sent else head[:-13] + b"}"

    def _head(self, fetches: Sequence[Fetch]) -> bytes:
        used = dict.fromkeys(name for one in fetches for name in one.variables)
        definitions = [variable_definitions(self.plan.variables, used)] if used else []
        body = fetches[0].selection
        if fetches[0].is_entity:
            several = len(fetches) > 1
            parts: list[str] = []
            for number, one in enumerate(fetches):
                definitions += [f"${self._representations}{number}:[_Any!]!"]
                definitions += [f"${context.name}_{number}:{context.type}" for context in one.contexts]
                selection = with_renamed(one.selection, {one.name: f"{one.name}_{number}" for one in one.contexts})
                alias = f"_e{number}:" if several else ""
                parts.append(f"{alias}_entities(representations:${self._representations}{number}){{{selection}}}")
            body = " ".join(parts)
        given = f"({','.join(definitions)})" if definitions else ""
        document = f"{fetches[0].operation}{given}{{{body}}}"
        return b'{"query":' + orjson.dumps(document) + b',"variables":'


def _site(steps: tuple[Step, ...], numbers: Mapping[tuple[Step, ...], int]) -> Site:
    above = next((size for size in range(len(steps) - 1, 0, -1) if steps[:size] in numbers), 0)
    return Site(numbers.get(steps[:above]), compile_walk(steps[above:]))


def _sent(fetches: Iterable[Fetch], variables: Mapping[str, Any]) -> dict[str, Any]:
    return {name: variables[name] for one in fetches for name in one.variables if name in variables}
