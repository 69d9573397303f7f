"""Supergraphs of older composers: join v0.1 (federation 1) names owners, and nobody before v0.3 names union members.

Source: the join specification v0.1 and v0.2. A type without `@join__type` is a value type: all subgraphs have it.
"""

from collections.abc import Mapping
from dataclasses import replace

from router.supergraph.field_set import FieldSet, picked
from router.supergraph.model import PLAIN, Kind, Source, Type, bits, named


def modernised(types: Mapping[str, Type], owners: Mapping[str, int], everywhere: int) -> dict[str, Type]:
    """Return the types of a join v0.1 supergraph as later ones tell them; `owners` are those of `@join__owner`."""
    found = {name: _placed(one, owners.get(name), everywhere) for name, one in types.items()}
    for name, one in list(found.items()):
        for key in one.keys:
            _know(found, name, key.fields, key.subgraph)
    return {name: with_members(one, found) for name, one in found.items()}


def with_members(one: Type, types: Mapping[str, Type]) -> Type:
    """Return a union whose members are only said to be where their own types are."""
    if one.kind is not Kind.UNION:
        return one
    return replace(one, members={name: mask & types[name].subgraphs for name, mask in one.members.items()})


def _placed(one: Type, owner: int | None, everywhere: int) -> Type:
    """Return a type with the subgraphs that have it: an entity where its keys and fields are, a value everywhere."""
    asked = 0
    for field in one.fields.values():
        for number in field.sources:
            asked |= 1 << number
    mask = one.subgraphs | asked if one.subgraphs or asked else everywhere
    home = (owner,) if owner is not None else bits(mask)
    fields = {
        name: field if field.sources else replace(field, sources={number: PLAIN for number in home})
        for name, field in one.fields.items()
    }
    return replace(
        one,
        subgraphs=mask,
        fields=fields,
        interfaces=dict.fromkeys(one.interfaces, mask),
        members=dict.fromkeys(one.members, mask),
        values={name: replace(value, subgraphs=mask) for name, value in one.values.items()},
    )


def _know(types: dict[str, Type], name: str, key: FieldSet, subgraph: int) -> None:
    """Note that a subgraph can tell the fields of a key it has."""
    for one in picked(key):
        known = types[name]
        field = known.fields.get(one.name)
        if field is None:
            continue
        sources: dict[int, Source] = {**field.sources}
        sources.setdefault(subgraph, PLAIN)
        fields = {**known.fields, one.name: replace(field, sources=dict(sorted(sources.items())))}
        types[name] = replace(known, subgraphs=known.subgraphs | 1 << subgraph, fields=fields)
        if one.inner:
            _know(types, named(field.type), one.inner, subgraph)
