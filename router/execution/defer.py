"""Answers in pieces: what @defer lets wait comes when its fetches are done, then the items of @stream (`lists.py`).

Source: the GraphQL specification's draft on incremental delivery (`pending`, `incremental`, `completed`, `hasNext`).
"""

import asyncio
import copy
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from router.execution.errors import Error
from router.execution.lists import Lists
from router.execution.prepared import Prepared
from router.execution.project import Json, Path, Projection, value_of
from router.execution.run import Run, Send
from router.planning.plan import Deferral, FieldShape, Shape


async def execute_in_pieces(
    prepared: Prepared, variables: Mapping[str, object] | None, send: Send, deadline_s: float
) -> AsyncGenerator[dict[str, Any]]:
    """Yield the payloads of an operation whose plan is incremental; the errors in them are lists of their own.

    Raises BadVariables before the first payload.
    """
    given = prepared.coerced(variables or {})
    run = Run(prepared.compiled, given, send, asyncio.get_running_loop().time() + deadline_s)
    lists = Lists(prepared.compiled.plan.streams, prepared.stream_counts(given), run)
    pieces = _Pieces(prepared, given, run, lists)
    fetching = asyncio.ensure_future(run.fetch())
    try:
        async for finished in _progress(fetching, run):
            while payload := pieces.payload(is_last=finished):
                yield payload
            if pieces.is_complete:
                return
        while await lists.turn():
            yield pieces.items()
    finally:
        if not fetching.done():
            fetching.cancel()
            await asyncio.wait({fetching})


async def _progress(fetching: asyncio.Future[None], run: Run) -> AsyncGenerator[bool]:
    """Yield whenever fetches were finished; True at the end."""
    while not fetching.done():
        news = asyncio.ensure_future(run.progress.wait())
        await asyncio.wait({fetching, news}, return_when=asyncio.FIRST_COMPLETED)
        news.cancel()
        run.progress.clear()
        if not fetching.done():
            yield False
    fetching.result()
    yield True


class _Pieces:
    """What was told so far. `_shown` is the answer as the client has it by now, `_open` the ids it waits for."""

    def __init__(self, prepared: Prepared, variables: Mapping[str, object], run: Run, lists: Lists) -> None:
        self._lists = lists
        self._prepared = prepared
        self._variables = variables
        self._plan = prepared.compiled.plan
        self._run = run
        self._shown: dict[str, Json] | None = None
        self._is_begun = False
        self._told: set[int] = set()
        self._ids: dict[tuple[int, Path], str] = {}
        self._open: set[str] = set()
        self._reported: set[int] = set()

    @property
    def is_complete(self) -> bool:
        """Whether the client waits for nothing more."""
        return self._is_begun and not self._open

    def payload(self, *, is_last: bool) -> dict[str, Any] | None:
        """Return what can be told now, or None if that is nothing; with `is_last` no fetch is under way any more."""
        if not self._is_begun:
            return self._begin() if is_last or self._plan.first <= self._run.finished else None
        ready = [
            one
            for one in self._plan.deferrals
            if one.id not in self._told and self._may_follow(one) and (is_last or one.fetches <= self._run.finished)
        ]
        if self.is_complete or not ready:
            return None
        self._told.update(one.id for one in ready)
        incremental: list[dict[str, Any]] = []
        completed: list[dict[str, Any]] = []
        for one in ready:
            self._tell(one, incremental, completed)
        told = {"pending": self._announce(), "incremental": incremental, "completed": completed}
        return {**{name: value for name, value in told.items() if value}, "hasNext": bool(self._open)}

    def _may_follow(self, one: Deferral) -> bool:
        return all(number in self._told for number in one.after)

    def _begin(self) -> dict[str, Any]:
        self._is_begun = True
        blamed, first = self._run.answers.blamed, self._plan.first
        errors = [one for one in self._run.answers.errors if id(one) not in blamed or blamed[id(one)] in first]
        self._shown = Projection(errors).root(_narrowed(self._plan.shape, None), self._run.answers.data)
        if self._shown is not None and self._plan.introspection is not None:
            self._shown |= self._prepared.introspected(self._variables)
        pending = self._announce()
        if self._shown is not None:
            pending += self._lists.announce(self._plan.shape, self._shown, self._number_list)
        errors = [one for one in errors if not self._lists.is_held(one)]
        self._reported.update(map(id, errors))
        payload = {"data": copy.deepcopy(self._shown), **({"errors": errors} if errors else {})}
        return {**payload, "pending": pending, "hasNext": True} if pending else payload

    def items(self) -> dict[str, Any]:
        """Return the payload with the items of streamed lists that were fetched last."""
        incremental, completed = self._lists.tell(self._reported)
        self._open.difference_update(one["id"] for one in completed)
        told = {"incremental": incremental, "completed": completed}
        return {**{name: value for name, value in told.items() if value}, "hasNext": bool(self._open)}

    def _number_list(self, path: Path) -> str:
        number = self._ids[-1, path] = str(len(self._ids))
        self._open.add(number)
        return number

    def _announce(self) -> list[dict[str, Any]]:
        """Return the `pending` of all places that came to be known, for deferrals that were not told yet."""
        found: list[dict[str, Any]] = []
        for one in self._plan.deferrals:
            if one.id in self._told or not self._may_follow(one):
                continue
            for _, _, _, _, start in self._places(one):
                if (one.id, start) not in self._ids:
                    number = self._ids[one.id, start] = str(len(self._ids))
                    self._open.add(number)
                    label = {"label": one.label} if one.label is not None else {}
                    found.append({"id": number, "path": list(start), **label})
        return found

    def _tell(self, one: Deferral, incremental: list[dict[str, Any]], completed: list[dict[str, Any]]) -> None:
        """Tell all parts of a deferral; a part whose null went up to its fragment has errors instead of data."""
        done: dict[str, list[Error]] = {}
        for shape, data, shown, path, start in list(self._places(one)):
            number = self._ids[one.id, start]
            related = [error for error in self._run.answers.errors if _is_related(error, path)]
            found = Projection(related).part(shape, data, path)
            new = [error for error in related if id(error) not in self._reported]
            self._reported.update(map(id, new))
            done.setdefault(number, [])
            if found is None:
                done[number] += related
                continue
            shown.update(found)
            below = {"subPath": list(path[len(start) :])} if len(path) > len(start) else {}
            errors = {"errors": new} if new else {}
            incremental.append({"id": number, **below, "data": copy.deepcopy(found), **errors})
        for number, errors in done.items():
            self._open.discard(number)
            completed.append({"id": number, **({"errors": errors} if errors else {})})

    def _places(self, one: Deferral) -> Iterator[tuple[Shape, dict[str, Json], dict[str, Json], Path, Path]]:
        """Yield each object that a deferral adds to: shape, what was fetched, what is shown, path, the fragment's."""
        if self._shown is not None:
            yield from _places(self._plan.shape, one.id, self._run.answers.data, self._shown, ())


def _places(
    shape: Shape, deferral: int, data: dict[str, Json], shown: dict[str, Json], path: Path
) -> Iterator[tuple[Shape, dict[str, Json], dict[str, Json], Path, Path]]:
    fields = Projection.fields(shape, data) or ()
    mine = tuple(one for one in fields if one.deferral == deferral)
    if mine:
        part = Shape(shape.type, {None: tuple(_field(one, deferral) for one in mine)})
        yield part, data, shown, path, _above(path, mine[0].depth)
    for field in fields:
        if field.deferral != deferral and field.child is not None and field.response in shown:
            value = value_of(field, data)
            for one, seen, where in _objects(value, shown[field.response], (*path, field.response)):
                yield from _places(field.child, deferral, one, seen, where)


def _objects(value: Json, shown: Json, path: Path) -> Iterator[tuple[dict[str, Json], dict[str, Json], Path]]:
    if isinstance(value, list) and isinstance(shown, list):
        for number, (one, seen) in enumerate(zip(value, shown, strict=False)):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            yield from _objects(one, seen, (*path, number))
    elif isinstance(value, dict) and isinstance(shown, dict):
        yield value, shown, path


def _above(path: Path, depth: int) -> Path:
    """Return the path of the object `depth` keys further up; the indexes of lists go with their keys."""
    for _ in range(depth):
        while path and isinstance(path[-1], int):
            path = path[:-1]
        path = path[:-1]
    return path


def _narrowed(shape: Shape, deferral: int | None) -> Shape:
    """Return a shape with the fields that come with one deferral, or with none: what isn't deferred comes at once."""
    by_type = {
        name: tuple(_field(one, deferral) for one in fields if one.deferral in (deferral, None))
        for name, fields in shape.by_type.items()
    }
    return replace(shape, by_type=by_type)


def _field(one: FieldShape, deferral: int | None) -> FieldShape:
    return one if one.child is None else replace(one, child=_narrowed(one.child, deferral))


def _is_related(error: Mapping[str, Any], path: Path) -> bool:
    """Whether an error lies at, below or above a path."""
    given = error.get("path")
    if not isinstance(given, list):
        return False
    there = cast("Path", tuple(given))  # pyright: ignore[reportUnknownArgumentType]
    size = min(len(there), len(path))
    return there[:size] == path[:size]
