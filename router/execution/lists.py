"""Lists in pieces: what @stream lets wait comes with the fetches of its items, ITEMS of each list at a time.

A list is cut as soon as it has come; its later items are put back at their own indexes, the fetches below the list run
again for them, and they are told. Source: the GraphQL specification's draft on incremental delivery.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from router.execution.errors import Error
from router.execution.project import Json, Path, Projection, value_of
from router.execution.run import Run
from router.planning.plan import FieldShape, Shape, Step, Stream

ITEMS = 100  # of one list in one payload


@dataclass(slots=True, eq=False)
class _List:
    """A list in the fetched data: all its items, and how many of them were told."""

    holder: dict[str, Json]
    key: str
    items: list[Json]
    told: int

    def turn(self) -> None:
        """Put the next items into the data, and nothing else of the list."""
        self.holder[self.key] = [None] * self.told + self.items[self.told : self.told + ITEMS]


@dataclass(slots=True, eq=False)
class _Open:
    """A list as the client waits for it: one place in the answer."""

    id: str
    stream: Stream
    list: _List
    field: FieldShape
    path: Path


class Lists:
    """The streamed lists of one execution."""

    def __init__(self, streams: Sequence[Stream], counts: Sequence[int], run: Run) -> None:
        """Take how many items of each list come at once, and the execution whose lists are cut from now on."""
        self._streams = streams
        self._counts = counts
        self._run = run
        self._cut: dict[tuple[int, int], _List] = {}
        self._open: list[_Open] = []
        if streams:
            run.on_done = self._shorten

    def announce(self, shape: Shape, shown: dict[str, Json], number: Callable[[Path], str]) -> list[dict[str, Any]]:
        """Return the `pending` of the lists that are shown and have more items; `number` gives each its id."""
        found: list[dict[str, Any]] = []
        for field, holder, path in _lists(shape, self._run.answers.data, shown, ()) if self._cut else ():
            stream = self._streams[field.stream or 0]
            one = self._cut.get((stream.id, id(holder)))
            if one is not None:
                told = _Open(number(path), stream, one, field, path)
                self._open.append(told)
                label = {"label": stream.label} if stream.label is not None else {}
                found.append({"id": told.id, "path": list(path), **label})
        return found

    def is_held(self, error: Error) -> bool:
        """Whether an error is one of an item that was not told yet."""
        path = _path(error)
        for one in self._open:
            size = len(one.path)
            if path[:size] == one.path:
                return any(isinstance(key, int) and key >= one.list.told for key in path[size : size + 1])
        return False

    async def turn(self) -> bool:
        """Fetch what the next items need; False when there are none."""
        if not self._open:
            return False
        for one in dict.fromkeys(one.list for one in self._open):
            one.turn()
        await self._run.again(frozenset(number for one in self._open for number in one.stream.below))
        return True

    def tell(self, reported: set[int]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return `incremental` and `completed` of the items that were fetched; `reported` are errors by identity.

        A null that went up to a list ends it, with the errors.
        """
        incremental: list[dict[str, Any]] = []
        completed: list[dict[str, Any]] = []
        rest: list[_Open] = []
        for one in self._open:
            start, items = one.list.told, one.list.items[one.list.told : one.list.told + ITEMS]
            related = [
                error for error in self._run.answers.errors if _is_about(error, one.path, start, start + len(items))
            ]
            found = Projection(related).items(one.field, items, start, one.path)
            new = [error for error in related if id(error) not in reported]
            reported.update(map(id, new))
            errors = {"errors": new} if new else {}
            if found is None:
                completed.append({"id": one.id, **errors})
                continue
            incremental.append({"id": one.id, "items": copy.deepcopy(found), **errors})
            if start + len(items) < len(one.list.items):
                rest.append(one)
            else:
                completed.append({"id": one.id})
        for one in dict.fromkeys(one.list for one in self._open):
            one.told += ITEMS
        self._open = rest
        return incremental, completed

    def _shorten(self, fetch: int) -> None:
        """Cut the lists that a fetch brought."""
        for stream, count in zip(self._streams, self._counts, strict=True):
            if stream.fetch != fetch:
                continue
            for holder in _objects(self._run.answers.data, stream.steps):
                value = holder.get(stream.key)
                if isinstance(value, list) and (stream.id, id(holder)) not in self._cut:
                    items = cast("list[Json]", value)
                    if len(items) > count:
                        self._cut[stream.id, id(holder)] = _List(holder, stream.key, items, count)
                        holder[stream.key] = items[:count]


def _objects(item: Json, steps: tuple[Step, ...]) -> Iterator[dict[str, Json]]:
    """Yield the objects that steps lead to."""
    if isinstance(item, list):
        for one in cast("list[Json]", item):
            yield from _objects(one, steps)
    elif isinstance(item, dict):
        found = cast("dict[str, Json]", item)
        if steps:
            yield from _objects(found.get(steps[0].key), steps[1:])
        else:
            yield found


def _lists(
    shape: Shape, data: dict[str, Json], shown: dict[str, Json], path: Path
) -> Iterator[tuple[FieldShape, dict[str, Json], Path]]:
    """Yield each streamed list that is shown: its field, the object in the data that has it, its path."""
    for field in Projection.fields(shape, data) or ():
        seen = shown.get(field.response)
        here = (*path, field.response)
        if field.stream is not None and isinstance(seen, list):
            yield field, _holder(field, data), here
        elif field.child is not None:
            yield from _inside(field.child, value_of(field, data), seen, here)


def _inside(shape: Shape, value: Json, seen: Json, path: Path) -> Iterator[tuple[FieldShape, dict[str, Json], Path]]:
    if isinstance(value, list) and isinstance(seen, list):
        pairs = zip(cast("list[Json]", value), cast("list[Json]", seen), strict=False)
        for number, (one, other) in enumerate(pairs):
            yield from _inside(shape, one, other, (*path, number))
    elif isinstance(value, dict) and isinstance(seen, dict):
        yield from _lists(shape, cast("dict[str, Json]", value), cast("dict[str, Json]", seen), path)


def _holder(field: FieldShape, data: dict[str, Json]) -> dict[str, Json]:
    return data if len(field.steps) == 1 else cast("dict[str, Json]", data.get(field.steps[0]) or {})


def _is_about(error: Error, path: Path, start: int, end: int) -> bool:
    """Whether an error lies at one of the items from `start` to before `end`, or at or above the list."""
    there = _path(error)
    if len(there) <= len(path):
        return path[: len(there)] == there
    size = len(path)
    return there[:size] == path and any(isinstance(key, int) and start <= key < end for key in there[size : size + 1])


def _path(error: Error) -> Path:
    return tuple(cast("Path", error.get("path") or ()))
