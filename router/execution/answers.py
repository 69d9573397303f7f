"""What subgraphs answered: put into the data, or turned into errors at the places that miss it."""

from collections.abc import Sequence
from typing import Any, cast

import orjson

from router.errors import BadAnswer, RouterError
from router.execution.asked import Asked
from router.execution.compile import CompiledPlan
from router.execution.entities import Json, Tainted, copied, merge
from router.execution.errors import Error, Failures, failure, is_same, subgraph_errors, taint
from router.planning.plan import Fetch


class Answers:
    """The data and the errors of one execution so far. Only `take` changes them."""

    def __init__(self, plan: CompiledPlan) -> None:
        """Begin with nothing."""
        self.data: dict[str, Json] = {}
        self.errors: list[Error] = []
        self.blamed: dict[int, int] = {}  # id of an error -> id of the fetch that it came from
        self.tainted: Tainted = set()  # what is missing because of an error
        self.conflicts: dict[str, int] = {}  # by subgraph: scalars that another had given otherwise before
        self._plan = plan
        self._failures = Failures()
        self._forget_origins()

    def origins(self, site: int | None) -> list[Json]:
        """Return the objects at a site of the plan. The data is walked once: what fetches add lies below them."""
        if site is None:
            return [self.data]
        found = self._origins[site]
        if found is None:
            one = self._plan.sites[site]
            found = self._origins[site] = one.walk(self.origins(one.above))
        return found

    def skip(self, fetch: Fetch) -> None:
        """Note a fetch that has nothing to ask."""
        self._failures.skip(fetch, self._plan.places, self.data)

    def forget(self, fetches: frozenset[int]) -> None:
        """Forget fetches that are run once more, on data that has changed."""
        self._failures.forget(fetches)
        self._forget_origins()

    def take(self, batch: Sequence[Asked], answer: bytes | RouterError) -> None:
        """Put the answer of one request into the data; one that failed becomes errors."""
        data: dict[str, Json] = {}
        given: list[Json] = []
        if not isinstance(answer, RouterError):
            try:
                data, given = _decoded(batch[0].fetch.subgraph, answer)
            except BadAnswer as error:
                answer = error
        if isinstance(answer, RouterError):
            for one in batch:
                self._fail(one, answer)
            return
        for number, one in enumerate(batch):
            if one.fetch.is_entity:
                self._place_entities(one, data, given, f"_e{number}" if len(batch) > 1 else "_entities")
            else:
                self._place_root(one, data, given)

    def _place_root(self, one: Asked, data: dict[str, Json], given: list[Json]) -> None:
        for compiled, targets in one.members:
            if compiled.fetch.slot is None:
                self._merge(self.data, data, compiled.fetch)
                self._forget_origins()
                continue
            for target in targets[0]:
                target[compiled.fetch.slot] = data
        self._report(one, data, given)

    def _place_entities(self, one: Asked, data: dict[str, Json], given: list[Json], alias: str) -> None:
        mine = [error for error in given if _is_of(error, alias)] if alias != "_entities" else given
        entities = data.get(alias)
        if isinstance(entities, list) and len(cast("list[Json]", entities)) == len(one.representations):
            self._attach(one, cast("list[Json]", entities))
        elif mine and entities is None:
            self._taint_all(one)
        else:
            self._fail(one, BadAnswer(one.fetch.subgraph, "a list of another length than was asked for"))
            return
        self._report(one, data, mine)

    def _attach(self, one: Asked, entities: list[Json]) -> None:
        start, end = one.offset, one.offset + len(entities)
        for compiled, targets in one.members:
            slot, is_copied = compiled.fetch.slot, compiled.fetch.is_copied
            if slot is None:
                self._forget_origins()
            for number, items in targets.items():
                entity: Json = entities[number - start] if start <= number < end else None
                if type(entity) is not dict:
                    continue
                for target in items:
                    if slot is None:
                        self._merge(target, cast("dict[str, Json]", entity), compiled.fetch)
                    else:
                        target[slot] = entity
                    if is_copied:
                        entity = copied(entity)

    def _merge(self, into: dict[str, Json], more: dict[str, Json], fetch: Fetch) -> None:
        if found := merge(into, more):
            self.conflicts[fetch.subgraph] = self.conflicts.get(fetch.subgraph, 0) + found

    def _report(self, one: Asked, data: dict[str, Json], given: list[Json]) -> None:
        if not given:
            return
        for compiled, targets in one.members:
            fetch = compiled.fetch
            for error in subgraph_errors(fetch, given, self._plan.places, self.data, targets, one.offset):
                self._blame(fetch, error)
            for path in filter(None, map(_path, given)):
                taint(path, data, self.tainted)
                if len(path) == 2 and fetch.is_entity and isinstance(path[1], int):
                    for target in targets.get(path[1] + one.offset, ()):
                        self.tainted.add((id(target), fetch.slot or ""))

    def _fail(self, one: Asked, error: RouterError) -> None:
        for compiled, _ in one.members:
            for shown in failure(compiled.fetch, error, self._plan.places, self.data):
                known = next((one for one in self.errors if is_same(one, shown)), None)
                if known is None:
                    self._blame(compiled.fetch, shown)
                self._failures.note(compiled.fetch, known or shown)
        self._taint_all(one)

    def _forget_origins(self) -> None:
        """Walk anew: objects have come, or gone, where others were found."""
        self._origins: list[list[Json] | None] = [None] * len(self._plan.sites)

    def _blame(self, fetch: Fetch, error: Error) -> None:
        self.errors.append(error)
        self.blamed[id(error)] = fetch.id

    def _taint_all(self, one: Asked) -> None:
        for compiled, targets in one.members:
            fetch = compiled.fetch
            keys = (fetch.slot,) if fetch.slot is not None else tuple(fetch.names)
            for number, items in targets.items():
                if 0 <= number - one.offset < len(one.representations):
                    self.tainted.update((id(target), key) for target in items for key in keys)


def _path(error: Json) -> list[Any] | None:
    path = cast("dict[str, Any]", error).get("path") if isinstance(error, dict) else None
    return cast("list[Any]", path) if isinstance(path, list) else None


def _decoded(subgraph: str, answer: bytes) -> tuple[dict[str, Json], list[Json]]:
    """Return data and errors of a subgraph's answer. Raises BadAnswer for what is no GraphQL response."""
    try:
        decoded: Any = orjson.loads(answer)
        data: Json = decoded.get("data")
        given: Json = decoded.get("errors") or []
    except (ValueError, AttributeError) as error:
        raise BadAnswer(subgraph, "what is no GraphQL response") from error
    if not isinstance(given, list):
        raise BadAnswer(subgraph, "what is no GraphQL response")
    if not isinstance(data, dict) and not given:
        raise BadAnswer(subgraph, "neither data nor errors")
    return cast("dict[str, Json]", data) if isinstance(data, dict) else {}, cast("list[Json]", given)


def _is_of(error: Json, alias: str) -> bool:
    path = _path(error)
    return not path or path[0] == alias
