"""The answer in the client's shape: nulls where they may be, errors where they may not, in one walk.

This is the careful projection; `project_quick.py` generates one for answers without forbidden nulls.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from router.planning.plan import FieldShape, Shape, Steps

Json: TypeAlias = Any
Path: TypeAlias = tuple[str | int, ...]


class _Forbidden:
    """Stands for a null where none may be: the parent decides."""


_NO = _Forbidden()


@dataclass(frozen=True, slots=True)
class _Wrapped:
    """A type reference, taken apart once: [Deal!]! -> not nullable, a list of not nullable."""

    is_required: bool
    item: "_Wrapped | None"


@lru_cache(maxsize=4096)
def _wrapped(text: str) -> _Wrapped:
    required = text.endswith("!")
    inner = text[:-1] if required else text
    return _Wrapped(required, _wrapped(inner[1:-1]) if inner.startswith("[") else None)


class Projection:
    """One careful projection. `errors` are the response's; it appends its own, one for each forbidden null."""

    def __init__(self, errors: list[dict[str, Json]]) -> None:
        """Take the errors so far: a null that one of them explains gets no second error."""
        self._errors = errors
        self._paths: list[Path] = [tuple(one["path"]) for one in errors if one.get("path") is not None]

    def root(self, shape: Shape, data: dict[str, Json]) -> dict[str, Json] | None:
        """Return the `data` of the response: None when a null went all the way up."""
        found = self._object(shape, data, ())
        return None if isinstance(found, _Forbidden) else found

    def part(self, shape: Shape, data: dict[str, Json], path: Path) -> dict[str, Json] | None:
        """Return one object of the response that stands at `path`: None when a null went up to it."""
        found = self._object(shape, data, path)
        return None if isinstance(found, _Forbidden) else found

    def items(self, field: FieldShape, items: list[Json], start: int, path: Path) -> list[Json] | None:
        """Return some items of the list at `path`, the first of them number `start`: None if a null went up to it."""
        wrapped = _wrapped(field.type).item
        if wrapped is None:
            return []
        found = [self._complete(wrapped, field, one, (*path, number)) for number, one in enumerate(items, start)]
        return None if any(isinstance(one, _Forbidden) for one in found) else found

    def _object(self, shape: Shape, data: dict[str, Json], path: Path) -> dict[str, Json] | _Forbidden | None:
        fields = self.fields(shape, data)
        if fields is None:
            return None
        if self._fell(fields, data, path):
            return _NO
        found: dict[str, Json] = {}
        for field in fields:
            value = self._complete(_wrapped(field.type), field, value_of(field, data), (*path, field.response))
            if isinstance(value, _Forbidden):
                return _NO
            found[field.response] = value
        return found

    def _fell(self, fields: tuple[FieldShape, ...], data: dict[str, Json], path: Path) -> bool:
        """Tell whether an error explains that the object is null: its module then has sent none of its fields."""
        return any(
            _wrapped(field.type).is_required
            and value_of(field, data) is None
            and self._is_explained((*path, field.response))
            for field in fields
        )

    @staticmethod
    def fields(shape: Shape, data: dict[str, Json]) -> tuple[FieldShape, ...] | None:
        """Return the fields shown of an object, by its type; None for a type that is not visible."""
        name = next((one for one in (_at(data, steps) for steps in shape.typenames) if one is not None), None)
        return shape.by_type.get(name, shape.by_type.get(None))

    def _complete(self, wrapped: _Wrapped, field: FieldShape, value: Json, path: Path) -> Json:
        found = self._nullable(wrapped, field, value, path)
        if found is not None and not isinstance(found, _Forbidden):
            return found
        if not wrapped.is_required:
            return None
        if found is None:
            self._report("This field may not be null, and there is no value for it.", path)
        return _NO

    def _nullable(self, wrapped: _Wrapped, field: FieldShape, value: Json, path: Path) -> Json:
        if value is None:
            return None
        if wrapped.item is not None:
            if not isinstance(value, list):
                return self._wrong(path)
            found: list[Json] = []
            for number, item in enumerate(value):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
                one = self._complete(wrapped.item, field, item, (*path, number))
                if isinstance(one, _Forbidden):
                    return _NO
                found.append(one)
            return found
        if field.child is not None:
            if not isinstance(value, dict):
                return self._wrong(path)
            return self._object(field.child, value, path)  # pyright: ignore[reportUnknownArgumentType]
        if field.values is not None and not (isinstance(value, str) and value in field.values):
            return self._wrong(path)
        return value

    def _is_explained(self, path: Path) -> bool:
        return any(one[: len(path)] == path or path[: len(one)] == one for one in self._paths)

    def _wrong(self, path: Path) -> None:
        self._report("A module answered a value that does not fit the schema.", path)

    def _report(self, message: str, path: Path) -> None:
        if self._is_explained(path):
            return
        self._paths.append(path)
        self._errors.append({"message": message, "path": list(path), "extensions": {"code": "INTERNAL"}})


def value_of(field: FieldShape, data: dict[str, Json]) -> Json:
    """Return what was fetched for a field of an object."""
    if field.constant is not None:
        return field.constant
    value = _at(data, field.steps) if field.steps else None
    for steps in field.alternatives if value is None else ():
        value = _at(data, steps)
        if value is not None:
            break
    return value


def _at(data: dict[str, Json], steps: Steps) -> Json:
    value: Json = data
    for key in steps:
        if not isinstance(value, dict):
            return None
        value = value.get(key)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return value  # pyright: ignore[reportUnknownVariableType]
