"""Operations made from a schema: everything a field can show, and arguments that name rows of one tenant."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

from mewayz.proof.ids import Side
from mewayz.proof.receipts import RECEIPT
from mewayz.proof.rows import entity_name, value_of
from shared.database.entity import Entity
from shared.graph.names import camel

_EARLY = ("from", "startson", "validfrom")
_LATE = ("to", "endson", "validto", "until")


class Targets:
    """Which entity an argument names, by the names that modules give their references."""

    def __init__(self, models: list[type[Entity]]) -> None:
        """Learn from all models of all modules."""
        self.entities = {model.__name__: entity_name(model) for model in models} | {"Receipt": RECEIPT}
        self._models = models
        self._references: dict[str, str] = {}
        for model in models:
            for facts in model.__facts__.values():
                if facts.ref is not None:
                    own = facts.ref.entity if facts.ref.module else self.entities.get(facts.ref.name, "")
                    self._references.setdefault(camel(facts.name), own)

    def of(self, name: str, context: str = "") -> str:
        """Return the entity that an argument `name` refers to; `context` is the field or type it belongs to."""
        bare = name.removesuffix("Ids").removesuffix("Id")
        bare = bare[:1].upper() + bare[1:]
        if name == "id":
            starts = [one for one in self.entities if context.lower().startswith(one.lower())]
            return self.entities[max(starts, key=len)] if starts else "identity.UserAccount"
        if bare in self.entities:
            return self.entities[bare]
        if name in self._references:
            return self._references[name]
        ends = [one for one in self.entities if bare.endswith(one)]
        return self.entities[max(ends, key=len)] if ends else "identity.UserAccount"

    def about(self, field: GraphQLField, name: str) -> str:
        """Return the entity that a root field is about: what it returns, also within a payload; else its own name."""
        kind = get_named_type(field.type)
        shown = getattr(kind, "fields", {}).items() if kind.name.endswith("Payload") else ()
        results = [get_named_type(one.type).name for key, one in shown if key not in ("userErrors", "receipt")]
        found = [one for one in (kind.name, *results, "Receipt" if shown else "") if one in self.entities]
        return found[0] if found else name

    def text(self, name: str, context: str, side: Side, number: int) -> str | None:
        """Return what row `number` holds in the text column `name` of the model that is closest to `context`."""
        having = [
            ((_likeness(model.__name__, context), name.capitalize() in model.__name__), model.__facts__[column], model)
            for model in self._models
            for column in model.__facts__
            if camel(column) == name and model.__facts__[column].type is str
        ]
        _, facts, model = max(having, key=lambda one: one[0], default=((0, False), None, None))
        return value_of(facts, model, side, number) if facts and model else None


@dataclass(frozen=True, slots=True)
class Filler:
    """Makes arguments that name rows of `side`; `number` is the row. `finds`: texts too are those of the row."""

    targets: Targets
    side: Side
    number: int
    finds: bool = False

    def arguments(self, field: GraphQLField, context: str, *, optional_ids: bool = False) -> dict[str, Any]:
        """Return values for the arguments that a field demands, or also for its optional ids."""
        return {
            name: self.value(name, one.type, context)
            for name, one in field.args.items()
            if is_required_argument(one) or (optional_ids and is_id(one))
        }

    def value(self, name: str, kind: Any, context: str) -> Any:
        """Return a value of an input type."""
        if isinstance(kind, GraphQLNonNull):
            return self.value(name, kind.of_type, context)
        if isinstance(kind, GraphQLList):
            return [self.value(name, kind.of_type, context)]
        if isinstance(kind, GraphQLEnumType):
            return list(kind.values)[self.number % len(kind.values)]
        if isinstance(kind, GraphQLInputObjectType):
            return {
                inner: self.value(inner, one.type, context)
                for inner, one in kind.fields.items()
                if is_required_input_field(one) or inner in ("amount", "currency")
            }
        return self._scalar(name, kind.name, context)

    def _scalar(self, name: str, kind: str, context: str) -> Any:
        low = name.lower()
        day = "2020-01-01" if low in _EARLY else "2100-01-01" if low in _LATE else f"{_now():%Y-%m-%d}"
        match kind:
            case "ID":
                return str(self.side.row(self.targets.of(name, context), self.number))
            case "Date":
                return day
            case "DateTime" if "expires" in low:
                return f"{_now() + timedelta(days=30):%Y-%m-%d}T12:00:00Z"
            case "DateTime":
                return f"{day}T12:00:00Z"
            case "Int" | "Float":
                return 1
            case "Boolean":
                return True
            case "Decimal":
                return "1"
            case _:
                known = self.targets.text(name, context, self.side, self.number) if self.finds else None
                return known or self._text(low)

    def _text(self, name: str) -> str:
        if "currency" in name:
            return self.side.currency
        if "period" in name:
            return f"{_now():%Y-%m}"
        if "email" in name:
            return f"{self.side.canary}new@example.com"
        return f"{self.side.canary}{name}"


def _likeness(one: str, other: str) -> int:
    """Return how many letters two names begin alike with."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))))


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 the rows are of today


def is_id(one: GraphQLArgument | GraphQLInputField) -> bool:
    """Whether an argument or input field names rows."""
    return get_named_type(one.type).name == "ID"


def id_paths(kind: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield where ids stand in an input type; lists are entered at their one element."""
    named = get_named_type(kind)
    if isinstance(named, GraphQLInputObjectType) and len(path) < 4:
        for name, one in named.fields.items():
            yield from id_paths(one.type, (*path, name))
    elif named.name == "ID":
        yield path


def put(sent: dict[str, Any], path: tuple[str, ...], value: str, field: GraphQLField) -> dict[str, Any]:
    """Put an id where `path` says, with what is needed on the way there."""
    place: Any = sent
    kind: Any = None
    for step in path[:-1]:
        facts = field.args[step] if kind is None else kind.fields[step]
        kind = get_named_type(facts.type)
        inner = place.setdefault(step, [{}] if str(facts.type).strip("!").startswith("[") else {})
        place = inner[0] if isinstance(inner, list) else inner
    facts = field.args[path[-1]] if kind is None else kind.fields[path[-1]]
    place[path[-1]] = [value] if str(facts.type).strip("!").startswith("[") else value
    return sent


def is_entity(kind: GraphQLNamedType) -> bool:
    """Whether a type has an identity of its own."""
    return isinstance(kind, GraphQLObjectType) and "id" in kind.fields and kind.name != "Receipt"


def selection(kind: Any, hops: int, within: tuple[str, ...] = ()) -> str:
    """Return a selection of all that a type shows: values whole, entities up to `hops` references away."""
    if isinstance(kind, GraphQLUnionType | GraphQLInterfaceType):
        return "{ __typename }"
    parts: list[str] = []
    for name, field in kind.fields.items():
        inner = get_named_type(field.type)
        if any(is_required_argument(one) for one in field.args.values()) or name.startswith("_"):
            continue
        if kind.name == "Receipt" and within and name not in ("id", "status"):
            continue  # the rest is the gateway's, from its queue: asked for where a receipt is
        if is_leaf_type(inner):
            parts.append(name)
        elif inner.name not in within and (hops > 0 or not is_entity(inner)):
            deeper = selection(inner, hops - is_entity(inner), (*within, kind.name))
            parts.append(f"{name} {deeper}" if deeper else "")
    return "{ " + " ".join(part for part in parts if part) + " }" if any(parts) else ""


def operation(verb: str, name: str, field: GraphQLField, sent: Mapping[str, Any]) -> str:
    """Return the document that asks one root field for all it shows, with a variable for each argument in `sent`.

    What is asked for by id is followed one reference further.
    """
    hops = 2 if list(field.args) == ["id"] else 1
    variables = ", ".join(f"${one}: {field.args[one].type}" for one in sent)
    passed = ", ".join(f"{one}: ${one}" for one in sent)
    head = f"{verb}({variables})" if sent else verb
    inner = get_named_type(field.type)
    shown = "" if is_leaf_type(inner) else selection(inner, hops)
    return f"{head} {{ {name}{f'({passed})' if sent else ''} {shown} }}"


def coordinates(schema: GraphQLSchema) -> set[str]:
    """Return `Type.field` for all that the schema can show, but for what only an accepted command shows."""
    return {
        f"{kind.name}.{name}"
        for kind in schema.type_map.values()
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("_")
        for name in kind.fields
        if not name.startswith("_") and not is_result(kind, name)
    }


def is_result(kind: GraphQLObjectType, name: str) -> bool:
    """Whether a field is the row that a command returns where it is accepted."""
    return kind.name.endswith("Payload") and name not in ("userErrors", "receipt")


def shown(kind: Any, value: Any) -> Iterator[str]:
    """Yield the coordinates that have a value in an answer."""
    if isinstance(kind, GraphQLNonNull | GraphQLList):
        yield from shown(kind.of_type, value) if not isinstance(value, list) else ()
        if isinstance(value, list):
            for one in value:
                yield from shown(get_named_type(kind), one)
    elif isinstance(value, dict) and isinstance(kind, GraphQLObjectType):
        for name, inner in value.items():
            if inner is not None and name in kind.fields:
                yield f"{kind.name}.{name}"
                yield from shown(kind.fields[name].type, inner)
