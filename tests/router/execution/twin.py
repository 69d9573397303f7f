"""An interpreter of query plans: what the generated code does, done step by step from the plan's data.

It knows no batches, no chunks, no generated functions; fetches run one after the other. The projection is the careful one.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import orjson

from router.execution.entities import merge
from router.execution.prepared import Prepared
from router.execution.project import Projection
from router.planning.plan import ContextRead, Fetch, QueryPlan, Read, Representation, Step, Steps
from router.planning.render import used_variables, with_renamed

Json = Any
Row = dict[str, Json]


async def interpret(
    prepared: Prepared, variables: Mapping[str, object] | None, send: Callable[[str, bytes, float], Awaitable[bytes]]
) -> Row | None:
    """Return the `data` of an operation whose subgraphs report no errors."""
    plan = prepared.compiled.plan
    given = prepared.coerced(variables or {})
    data: Row = {}
    for fetch in plan.fetches:
        origins = [(item, above) for item, above in _walk(data, fetch.steps, (data,))]
        if not fetch.is_entity:
            answer = await _sent(plan, fetch, given, send) if origins else {}
            for item, _ in origins:
                _put(item, fetch.slot, answer)
            continue
        for item, above in origins:
            representation = _representation(fetch, item)
            if representation is not None:
                values = {one.name: _context(one.reads, above) for one in fetch.contexts}
                answer = await _sent(plan, fetch, {**given, **values}, send, representation)
                (entity,) = answer["_entities"]
                if isinstance(entity, dict):
                    _put(item, fetch.slot, entity)
    return Projection([]).root(plan.shape, data)


async def _sent(
    plan: QueryPlan, fetch: Fetch, values: Mapping[str, object], send: Callable[[str, bytes, float], Awaitable[bytes]],
    representation: Row | None = None,
) -> Row:  # fmt: skip
    types = {**plan.variables, **{one.name: one.type for one in fetch.contexts}}
    names = [name for name in used_variables(fetch.selection) if name in types]
    new = {name: f"x{number}" for number, name in enumerate(names)}
    definitions = [f"${new[name]}: {types[name]}" for name in names]
    sent = {new[name]: values[name] for name in names if name in values}
    selection = with_renamed(fetch.selection, new)
    if representation is not None:
        definitions.append("$told: [_Any!]!")
        sent["told"] = [representation]
        selection = f"_entities(representations: $told) {{ {selection} }}"
    head = f"({', '.join(definitions)})" if definitions else ""
    body = {"query": f"{fetch.operation}{head} {{ {selection} }}", "variables": sent}
    return orjson.loads(await send(fetch.subgraph, orjson.dumps(body), 5.0))["data"]


def _walk(item: Json, steps: tuple[Step, ...], above: tuple[Json, ...]) -> Iterator[tuple[Row, tuple[Json, ...]]]:
    """Yield the objects that steps lead to, and those on the way: after no step, after one, after two..."""
    if not steps:
        yield item, above
        return
    for one in _flat(item.get(steps[0].key), steps[0].lists):
        yield from _walk(one, steps[1:], (*above, one))


def _flat(value: Json, lists: int) -> Iterator[Row]:
    if isinstance(value, list) and lists:
        for one in value:
            yield from _flat(one, lists - 1)
    elif isinstance(value, dict):
        yield value


def _representation(fetch: Fetch, item: Row) -> Row | None:
    name = _first(item, fetch.typenames)
    for one in fetch.representations:
        if one.of is None or one.of == name:
            return _told(one, item)
    return None


def _told(one: Representation, item: Row) -> Row | None:
    key = {read.name: _value(item, read) for read in one.key}
    if any(value is None for value in key.values()):
        return None
    return {"__typename": one.typename, **key, **{read.name: _value(item, read) for read in one.requires}}


def _value(item: Row, read: Read) -> Json:
    return _inner(_at(item, read.steps), read)


def _inner(value: Json, read: Read) -> Json:
    if read.inner is None or value is None:
        return value
    if isinstance(value, list):
        return [_inner(one, read) for one in value]
    name = _first(value, read.inner.typenames)
    for of, reads in read.inner.by_type:
        if of is None or of == name:
            told = {} if of is None else {"__typename": name}
            return {**told, **{one.name: _value(value, one) for one in reads}}
    return {"__typename": name} if read.inner.typenames else {}


def _context(reads: tuple[ContextRead, ...], above: tuple[Json, ...]) -> Json:
    for one in reads:
        item = above[one.standing]
        if one.of is None or _first(item, one.typenames) == one.of:
            value = _value(item, one.read)
            while isinstance(value, dict):
                value = next((inner for name, inner in value.items() if name != "__typename"), None)
            return value
    return None


def _first(item: Row, places: tuple[Steps, ...]) -> Json:
    return next((found for found in (_at(item, steps) for steps in places) if found is not None), None)


def _at(item: Json, steps: Steps) -> Json:
    for key in steps:
        item = item.get(key) if isinstance(item, dict) else None
    return item


def _put(item: Row, slot: str | None, answer: Row) -> None:
    if slot is None:
        merge(item, orjson.loads(orjson.dumps(answer)))
    else:
        item[slot] = orjson.loads(orjson.dumps(answer))
