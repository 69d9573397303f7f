"""What a change of events breaks for those who hear them (contracts.md, "Events", on `schemaversion`)."""

import json
import operator
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from shared.wire.envelope import Event

Schema = Mapping[str, Any]
_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


def breaking_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return what breaks from one `schema/events.json` to the next, a sentence each.

    A type may vanish when nobody hears it. With a higher `version` its payload may change as it likes: readers of the old
    one park it until they are upgraded. With the same one it may only grow: every field stays, stays required, and holds
    nothing that it didn't hold before.
    """
    found: list[str] = []
    for event_type, old in before.items():
        new = after.get(event_type)
        if new is None:
            if old["consumers"]:
                found.append(f"{event_type} is no longer published, and {', '.join(old['consumers'])} hear it.")
        elif new["version"] < old["version"]:
            found.append(f"{event_type} goes back from version {old['version']} to {new['version']}.")
        elif new["version"] == old["version"]:
            if new["aggregate"] != old["aggregate"]:
                found.append(f"{event_type} is ordered by {new['aggregate']}, before by {old['aggregate']}.")
            found += [f"{event_type}: {change}" for change in _payload_changes(old["payload"], new["payload"])]
    return found


def misreadings(published: Mapping[str, Any], readings: Iterable[tuple[str, type[Event]]]) -> list[str]:
    """Return what of the published events those who hear them could not read, a sentence each: it would be parked.

    `published` is as `schema/events.json`; a reading is a module and the class it validates payloads with. Of a version
    that a reader doesn't know nothing is said: that is parked until the reader is upgraded.
    """
    found: list[str] = []
    for module, reading in readings:
        event = published.get(reading.type)
        if event is not None and event["version"] == reading.schema_version:
            read, payload = reading.model_json_schema(by_alias=True, mode="validation"), event["payload"]
            changes = _Reading(read, payload).changes(read, payload, "")
            found += [f"{reading.type}: {change}, which {module} can't read." for change in changes]
    return found


def read_events(path: Path) -> dict[str, Any]:
    """Return the events of a printed file; nothing where there is none yet."""
    return json.loads(path.read_text()) if path.exists() else {}


def _payload_changes(before: Schema, after: Schema) -> Iterator[str]:
    return _Comparison(before, after).changes(before, after, "")


class _Comparison:
    """Compares two payloads, each with definitions of its own."""

    def __init__(self, before: Schema, after: Schema) -> None:
        self._before = before.get("$defs", {})
        self._after = after.get("$defs", {})

    def changes(self, before: Schema, after: Schema, path: str) -> Iterator[str]:
        old, new = _branches(before, self._before), _branches(after, self._after)
        for branch in new:
            reasons = [list(self._branch(known, branch, path)) for known in old]
            if all(reasons):
                same_kind = (why for known, why in zip(old, reasons, strict=True) if _kind(known) == _kind(branch))
                yield from next(same_kind, reasons[0])

    def _branch(self, before: Schema, after: Schema, path: str) -> Iterator[str]:
        if _kind(before) != _kind(after):
            yield f"{path} may now be {_kind(after)}"
            return
        yield from _wider(before, after, path)
        yield from self._object(before, after, path)
        for inner in ("items", "additionalProperties"):
            if isinstance(before.get(inner), Mapping):
                rest = after.get(inner)
                yield from self.changes(before[inner], rest if isinstance(rest, Mapping) else {}, f"{path}[]")
        for place, (old, new) in enumerate(
            zip(before.get("prefixItems", ()), after.get("prefixItems", ()), strict=False)
        ):
            yield from self.changes(old, new, f"{path}[{place}]")

    def _object(self, before: Schema, after: Schema, path: str) -> Iterator[str]:
        known, now = before.get("properties", {}), after.get("properties", {})
        for name, schema in known.items():
            where = f"{path}.{name}".lstrip(".")
            if name not in now:
                yield f"{where} is gone"
                continue
            if name in before.get("required", ()) and name not in after.get("required", ()):
                yield f"{where} may be missing now"
            yield from self.changes(schema, now[name], where)


class _Reading(_Comparison):
    """Compares what a reader takes with what is published: what the reader can do without need not be there."""

    def _object(self, before: Schema, after: Schema, path: str) -> Iterator[str]:
        known, needed, now = before.get("properties", {}), before.get("required", ()), after.get("properties", {})
        read = {name: schema for name, schema in known.items() if name in needed or name in now}
        return super()._object({**before, "properties": read}, after, path)


def _wider(before: Schema, after: Schema, path: str) -> Iterator[str]:
    """Yield which values of the same kind a schema allows now and did not before."""
    known, now = _values(before), _values(after)
    if known is not None and (now is None or set(now) - set(known)):
        yield f"{path} may now be {', '.join(sorted(set(now) - set(known))) if now is not None else 'anything'}"
    for bounds, goes_further in ((_LEAST, operator.lt), (_MOST, operator.gt)):
        for bound in bounds:
            if bound in before and (bound not in after or goes_further(after[bound], before[bound])):
                yield f"{path} has {after.get(bound, 'no')} {bound} now, before {before[bound]}"
    for rule in ("pattern", "multipleOf"):
        if rule in before and after.get(rule) != before[rule]:
            yield f"{path} has {after.get(rule, 'no')} {rule} now, before {before[rule]}"


def _values(schema: Schema) -> list[str] | None:
    """Return the values that a schema names one by one, None where it names none."""
    named = [schema["const"]] if "const" in schema else schema.get("enum")
    return None if named is None else [str(one) for one in named]


def _branches(schema: Schema, definitions: Schema) -> list[Schema]:
    """Return what a schema allows, one by one: the alternatives, with references followed."""
    if "$ref" in schema:
        return _branches(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    if alternatives:
        return [branch for one in alternatives for branch in _branches(one, definitions)]
    return [schema]


def _kind(schema: Schema) -> str:
    """Return a schema's type and format in words."""
    kind = str(schema.get("type", "anything"))
    return f"{kind} ({schema['format']})" if "format" in schema else kind
