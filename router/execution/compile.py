"""A plan made ready to run: documents printed once, generated functions for what happens per request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from router.execution.entities import Gather, compile_gather
from router.execution.errors import Places
from router.execution.project_quick import compile_projection
from router.planning.plan import Fetch, QueryPlan
from router.planning.render import variable_definitions


@dataclass(frozen=True, slots=True)
class CompiledFetch:
    """A fetch and its generated code. `dependents` are the ids of fetches that may become ready after it."""

    fetch: Fetch
    gather: Gather
    dependents: tuple[int, ...]


class CompiledPlan:
    """A query plan ready to run, shared by all requests that use it."""

    def __init__(self, plan: QueryPlan) -> None:
        """Compile every fetch of a plan."""
        self.plan = plan
        self.places = Places(plan.fetches)
        self.project = compile_projection(plan.shape)
        self.fetches = [
            CompiledFetch(
                one, compile_gather(one), tuple(other.id for other in plan.fetches if one.id in other.needs)
            )
            for one in plan.fetches
        ]  # fmt: skip
        self._representations = "_r"
        while any(name.startswith(self._representations) for name in plan.variables):
            self._representations = f"_{self._representations}"
        self._heads: dict[tuple[int, ...], bytes] = {}

    def body(self, fetches: Sequence[Fetch], parts: Sequence[Sequence[Any]], variables: Mapping[str, Any]) -> bytes:
        """Return the request body of one fetch, or of several entity fetches in one document."""
        head = self._heads.get(ids := tuple(one.id for one in fetches))
        if head is None:
            head = self._heads[ids] = self._head(fetches)
        sent: dict[str, Any] = {}
        for one in fetches:
            for name in one.variables:
                if name in variables:
                    sent[name] = variables[name]
        if fetches[0].is_entity:
            for number, part in enumerate(parts):
                sent[f"{self._representations}{number}"] = part
        return head + orjson.dumps(sent) + b"}" if sent else head[:-13] + b"}"

    def _head(self, fetches: Sequence[Fetch]) -> bytes:
        used = dict.fromkeys(name for one in fetches for name in one.variables)
        definitions = variable_definitions(self.plan.variables, used)
        body = fetches[0].selection
        if fetches[0].is_entity:
            lists = [f"${self._representations}{number}:[_Any!]!" for number in range(len(fetches))]
            definitions = ",".join([*lists, *([definitions] if definitions else [])])
            several = len(fetches) > 1
            body = " ".join(
                f"{f'_e{number}:' if several else ''}_entities(representations:${self._representations}{number})"
                f"{{{one.selection}}}"
                for number, one in enumerate(fetches)
            )
        given = f"({definitions})" if definitions else ""
        document = f"{fetches[0].operation}{given}{{{body}}}"
        return b'{"query":' + orjson.dumps(document) + b',"variables":'
