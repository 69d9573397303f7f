"""Errors at the places the client knows: paths rewritten from a subgraph's answer to the client's document."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias, cast

from router.errors import RouterError
from router.execution.entities import Tainted, Targets
from router.planning.plan import Fetch, Names, Step

Json: TypeAlias = Any
Path: TypeAlias = tuple[str | int, ...]
Error: TypeAlias = dict[str, Json]

_NO_NAMES: Names = {}


class Places:
    """Knows, for the fetches of one plan, what the client calls the keys on the way to their origins."""

    def __init__(self, fetches: Iterable[Fetch]) -> None:
        """Index the fetches of a plan, each after those it needs."""
        self._tree: dict[str, Any] = {}
        for fetch in fetches:
            node = self._tree
            for step in fetch.steps:
                node = node.setdefault(step.key, (None, {}))[1]
            if fetch.slot is not None:
                node[fetch.slot] = (None, _copied(fetch.names))
            else:
                _merge(node, fetch.names)

    def origins(self, fetch: Fetch, data: Json) -> dict[int, list[Path]]:
        """Return all paths of each origin object of a fetch, by the id of the object."""
        found: dict[int, list[Path]] = {}
        for item, path in self._walk(data, fetch.steps, self._tree, ()):
            found.setdefault(id(item), []).append(path)
        return found

    def site(self, fetch: Fetch, data: Json) -> Path:
        """Return where a fetch's answer belongs, as far as there is one place: cut before the first list."""
        node, path, at = self._tree, (), data
        for step in fetch.steps:
            response, node = node[step.key]
            at = at.get(step.key) if isinstance(at, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
            path = path if response is None else (*path, response)
            if step.lists:
                return path
        shown = [one for one, _ in fetch.names.values() if one is not None]
        return (*path, shown[0]) if len(shown) == 1 else path

    def _walk(
        self, item: Json, steps: tuple[Step, ...], node: Mapping[str, Any], path: Path
    ) -> Iterator[tuple[Json, Path]]:
        if not steps:
            yield item, path
            return
        step = steps[0]
        response, below = node[step.key]
        here = path if response is None else (*path, response)
        for one, where in _items(item.get(step.key), step.lists, here):
            yield from self._walk(one, steps[1:], below, where)


def subgraph_errors(
    fetch: Fetch, given: Iterable[Json], places: Places, data: Json, targets: Targets, offset: int
) -> Iterator[Error]:
    """Yield a subgraph's errors with the client's paths, once for each place of an entity."""
    origins: dict[int, list[Path]] = {}
    for one in given:
        error = cast("dict[str, Any]", one) if isinstance(one, dict) else {}
        where: Json = error.get("path")
        path: list[Any] = list(where) if isinstance(where, list) else []  # pyright: ignore[reportUnknownArgumentType]
        if not fetch.is_entity:
            yield _error(fetch, error, client_path(fetch.names, path) or places.site(fetch, data))
            continue
        if len(path) < 2 or not isinstance(path[1], int):
            yield _error(fetch, error, places.site(fetch, data))
            continue
        origins = origins or places.origins(fetch, data)
        for target in dict.fromkeys(map(id, targets.get(path[1] + offset, ()))):
            for start in origins.get(target, ()):
                yield _error(fetch, error, (*start, *client_path(fetch.names, path[2:])))


def taint(path: list[Any], answer: Json, tainted: Tainted) -> None:
    """Note that the value at a path of a subgraph's answer is missing because of an error."""
    at: Json = answer
    for key in path[:-1]:
        if isinstance(at, dict):
            at = at.get(key)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        elif isinstance(at, list) and isinstance(key, int) and key < len(at):  # pyright: ignore[reportUnknownArgumentType]
            at = at[key]  # pyright: ignore[reportUnknownVariableType]
        else:
            return
    if isinstance(at, dict) and path and isinstance(path[-1], str):
        tainted.add((id(at), path[-1]))  # pyright: ignore[reportUnknownArgumentType]


def failure(fetch: Fetch, error: RouterError, places: Places, data: Json) -> list[Error]:
    """Return the errors of a fetch that failed as a whole: one at its origin, or one a root field."""
    shown = {"message": error.message, "extensions": {**error.extensions(), "module": fetch.subgraph}}
    if fetch.is_entity:
        return [{**shown, "path": list(places.site(fetch, data))}]
    return [{**shown, "path": [one]} for one, _ in fetch.names.values() if one is not None]


class Failures:
    """The errors of fetches that failed as a whole; what is skipped because of one is listed in it (router.md, E3)."""

    def __init__(self) -> None:
        self._causes: dict[int, list[Error]] = {}

    def note(self, fetch: Fetch, error: Error) -> None:
        """Note an error that a failed fetch left."""
        self._causes.setdefault(fetch.id, []).append(error)

    def skip(self, fetch: Fetch, places: Places, data: Json) -> None:
        """Note a fetch that has nothing to ask: where one that it needs failed, it is listed in that one's error."""
        causes = {id(error): error for need in fetch.needs for error in self._causes.get(need, ())}
        if causes:
            skipped = {"module": fetch.subgraph, "path": list(places.site(fetch, data))}
            for error in causes.values():
                error["extensions"].setdefault("skipped", []).append(skipped)
            self._causes[fetch.id] = list(causes.values())

    def forget(self, fetches: Iterable[int]) -> None:
        """Forget fetches that are run once more."""
        for number in fetches:
            self._causes.pop(number, None)


def is_same(one: Error, other: Error) -> bool:
    """Whether two errors tell the client the same."""
    return one["message"] == other["message"] and one.get("path") == other.get("path")


def client_path(names: Names, path: Iterable[Any]) -> Path:
    """Return a path inside a fetch's answer in the client's keys; cut where only the planner asked."""
    found: list[str | int] = []
    for key in path:
        if isinstance(key, int):
            found.append(key)
            continue
        response, names = names.get(key, (None, _NO_NAMES))
        if response is None:
            break
        found.append(response)
    return tuple(found)


def _error(fetch: Fetch, error: Mapping[str, Any], path: Path) -> Error:
    given = error.get("extensions")
    extensions: dict[str, Any] = {**given} if isinstance(given, dict) else {}  # pyright: ignore[reportUnknownVariableType]
    message = error.get("message")
    extensions.setdefault("code", "INTERNAL")
    extensions["module"] = fetch.subgraph
    text = message if isinstance(message, str) else "The module reported an error."
    return {"message": text, "path": list(path), "extensions": extensions}


def _items(value: Json, lists: int, path: Path) -> Iterator[tuple[dict[str, Json], Path]]:
    if lists and isinstance(value, list):
        for number, one in enumerate(value):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            yield from _items(one, lists - 1, (*path, number))
    elif isinstance(value, dict):
        yield value, path


def _copied(names: Names) -> dict[str, Any]:
    return {key: (response, _copied(below)) for key, (response, below) in names.items()}


def _merge(into: dict[str, Any], names: Names) -> None:
    for key, (response, below) in names.items():
        known: tuple[str | None, dict[str, Any]] = into.get(key, (None, {}))
        _merge(known[1], below)
        into[key] = (known[0] or response, known[1])
