"""Sample values of any annotated type, the same in every run: JSON as it crosses the wire, valid by its own rules."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid5

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

_NAMESPACE = UUID("6d657761-797a-5000-8000-73616d706c65")
_FIRST_DAY = date(2026, 1, 5)
# Text that meets the patterns modules use; a pattern none of these meets needs one more line.
_TEXTS = ("CNY", "CN", "09:30", "09:30-17:30", "sample-{n}", "sample{n}", "{n}")
# Text whose rule is code rather than a pattern, by how the field's name ends.
_BY_NAME = {"email": "ada{n}@example.test", "timezone": "Asia/Shanghai", "time_zone": "Asia/Shanghai"}


class NoSample(Exception):
    """A type for which no sample can be made: its pattern, or its form, is new here."""


class _Schema(GenerateJsonSchema):
    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 as Pydantic declares it


def sample(adapter: TypeAdapter[Any], name: str, number: int, *, salt: str = "") -> Any:
    """Return the JSON value number `number` of a type; `name` is the field's, `salt` keeps ids of two tests apart.

    Ids depend on name and salt only, so that `customerId` is the same customer in all events of one test. Objects have
    their required fields. Raises NoSample.
    """
    schema = adapter.json_schema(schema_generator=_Schema, by_alias=True)
    value = _Sampler(schema, number, salt).of(schema, name)
    adapter.validate_python(value)
    return value


def sample_id(name: str, salt: str) -> UUID:
    """Return the id that samples have under a field's name."""
    return uuid5(_NAMESPACE, f"{salt}/{name}")


class _Sampler:
    def __init__(self, root: Mapping[str, Any], number: int, salt: str) -> None:
        self._definitions: Mapping[str, Any] = root.get("$defs", {})
        self._number = number
        self._salt = salt

    def of(self, schema: Mapping[str, Any], name: str) -> Any:
        if "$ref" in schema:
            return self.of(self._definitions[schema["$ref"].rpartition("/")[2]], name)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][self._number % len(schema["enum"])]
        for choice in ("anyOf", "oneOf", "allOf"):
            if choice in schema:
                return self.of(next(one for one in schema[choice] if one.get("type") != "null"), name)
        match schema.get("type"):
            case "string":
                return self._text(schema, name)
            case "integer" | "number":
                return self._amount(schema)
            case "boolean":
                return self._number % 2 == 0
            case "array":
                return self._items(schema, name)
            case "object":
                return self._object(schema)
            case _:
                return {}

    def _text(self, schema: Mapping[str, Any], name: str) -> str:
        match schema.get("format"):
            case "uuid":
                return str(sample_id(name, self._salt))
            case "date":
                return (_FIRST_DAY + timedelta(days=self._number)).isoformat()
            case "date-time":
                return (datetime.combine(_FIRST_DAY, time(9), UTC) + timedelta(days=self._number)).isoformat()
            case "time":
                return "09:30:00"
            case "duration":
                return "PT1H"
            case _:
                return self._plain_text(schema, name)

    def _plain_text(self, schema: Mapping[str, Any], name: str) -> str:
        for known, text in _BY_NAME.items():
            if name.lower().endswith(known):
                return text.format(n=self._number)
        pattern = schema.get("pattern")
        if pattern is None:
            text = f"{name} {self._number}".rjust(schema.get("minLength", 0), "x")
            return text if len(text) <= schema.get("maxLength", len(text)) else str(self._number)
        for text in _TEXTS:
            found = text.format(n=self._number)
            if re.search(pattern, found):
                return found
        raise NoSample(f"{name}: no sample meets {pattern}")

    def _amount(self, schema: Mapping[str, Any]) -> int:
        least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        most = schema.get("maximum", schema.get("exclusiveMaximum", 1000) - 1)
        return int(min(least + self._number, most))

    def _items(self, schema: Mapping[str, Any], name: str) -> list[Any]:
        if "prefixItems" in schema:
            return [self.of(one, name) for one in schema["prefixItems"]]
        return [self.of(schema.get("items", {}), name)]

    def _object(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        fields: Mapping[str, Any] = schema.get("properties", {})
        return {name: self.of(fields[name], name) for name in schema.get("required", ())}
