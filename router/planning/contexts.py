"""@context and @fromContext: arguments that are filled from an object further up in the operation.

Source: Apollo Federation v2.8, "Saving and referencing data with contexts". The nearest object above counts whose type
sets the context; the object that has the field itself does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from router.supergraph.field_set import FieldSet, Narrowed, Picked, parse_field_set
from router.supergraph.model import ContextArgument
from router.supergraph.reach import Reach


@dataclass(frozen=True, slots=True, eq=False)
class Setter:
    """A type at one place of an operation. `reads` is what fields below take from its objects."""

    type: str
    reads: dict[Picked | Narrowed, None] = field(default_factory=dict["Picked | Narrowed", None])


class Scope(NamedTuple):
    """A context that holds at a place: who set it, `up` keys above."""

    context: str
    setter: Setter
    up: int


Scopes: TypeAlias = tuple[Scope, ...]
NO_SCOPES: Scopes = ()


@dataclass(frozen=True, slots=True)
class Given:
    """An argument that a subgraph takes from the object `up` keys above, of type `of`: the one leaf of `fields`."""

    subgraph: int
    argument: str
    type: str
    up: int
    of: str
    fields: FieldSet


def entered(reach: Reach, setter: Setter, scopes: Scopes) -> Scopes:
    """Return the contexts that hold for the objects below one, from those that hold for itself."""
    mine = reach.contexts(setter.type)
    further = tuple(one._replace(up=one.up + 1) for one in scopes if one.context not in mine)
    return (*further, *(Scope(context, setter, 1) for context in mine))


def given(reach: Reach, type_name: str, name: str, scopes: Scopes) -> tuple[Given, ...]:
    """Return the arguments of a field that subgraphs fill from contexts, for each that can have all of its own."""
    if not reach.contextual(type_name, name):
        return ()
    known = {one.context: one for one in scopes}
    found: list[Given] = []
    for number, source in reach.sources(type_name, name).items():
        if all(one.context in known for one in source.context_arguments):
            found += (_given(number, one, known[one.context]) for one in source.context_arguments)
    return tuple(found)


def _given(subgraph: int, argument: ContextArgument, scope: Scope) -> Given:
    fields = parse_field_set(argument.selection)
    scope.setter.reads.update(dict.fromkeys(fields))
    return Given(subgraph, argument.name, argument.type, scope.up, scope.setter.type, fields)
