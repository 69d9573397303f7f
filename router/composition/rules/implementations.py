"""Interfaces across subgraphs: what one promises, the others' types must keep."""

from graphql import parse_const_value

from router.composition.facts import TypeFacts
from router.composition.merge.merging import Merging
from router.composition.values import EnumName, read_value
from router.supergraph.model import Kind, Supergraph, named


def check_interface_entities(merging: Merging) -> None:
    """A subgraph that resolves an interface's key, or stands for it, knows all or none of its implementations."""
    for name in merging.implementers:
        for index, owner in merging.declared(name).items():
            if owner.kind == "INTERFACE" and owner.directives:
                _check_resolvable_key(merging, name, index, owner)
            elif owner.directives and owner.has("interfaceObject"):
                _check_stand_in(merging, name, index, owner)


def _check_resolvable_key(merging: Merging, name: str, index: int, owner: TypeFacts) -> None:
    """INTERFACE_KEY_MISSING_IMPLEMENTATION_TYPE."""
    subgraph = merging.subgraphs[index]
    for key in owner.applied("key"):
        if key.arguments.get("resolvable") is False:
            continue
        missing = [one for one in merging.implementers.get(name, ()) if one not in subgraph.types]
        if missing:
            message = (
                f'[{subgraph.name}] "{name}" can be entered by @key(fields: "{key.text("fields")}") here, which '
                f"does not know the implementation {_and(missing)}: define it, or mark the key resolvable: false."
            )
            places = [key.location, *(place for one in missing for place in merging.places(one))]
            merging.report.error("INTERFACE_KEY_MISSING_IMPLEMENTATION_TYPE", message, at=places)


def _check_stand_in(merging: Merging, name: str, index: int, owner: TypeFacts) -> None:
    """INTERFACE_OBJECT_USAGE_ERROR: who stands for an interface cannot tell its implementations apart."""
    subgraph = merging.subgraphs[index]
    known = [one for one in merging.implementers.get(name, ()) if one in subgraph.types]
    if known:
        message = (
            f'[{subgraph.name}] "{name}" is an @interfaceObject here, so its implementation {_and(known)} cannot be '
            f"defined here: remove one of the two."
        )
        places = [owner.location, *(subgraph.types[one].location for one in known)]
        merging.report.error("INTERFACE_OBJECT_USAGE_ERROR", message, at=places)


def check_implementations(merging: Merging, supergraph: Supergraph) -> None:
    """INTERFACE_FIELD_NO_IMPLEM: a merged type has every field of the merged interfaces it implements."""
    for owner in supergraph.types.values():
        for interface in owner.interfaces:
            wanted = supergraph.types.get(interface)
            for field in wanted.fields.values() if wanted else ():
                if field.name not in owner.fields:
                    having = merging.names(field.sources) if field.sources else "the supergraph"
                    message = (
                        f'"{owner.name}" implements "{interface}", whose field "{field.name}" ({having}) it has in no '
                        f"subgraph: add {field.name} to {owner.name}, or remove it from {interface}."
                    )
                    places = [*merging.places(f"{interface}.{field.name}"), *merging.places(owner.name)]
                    merging.report.error("INTERFACE_FIELD_NO_IMPLEM", message, at=places)


def check_defaults(merging: Merging, supergraph: Supergraph) -> None:
    """INVALID_GRAPHQL: an enum value in a default is still there after the merge."""
    shrunk = {
        one.name
        for one in supergraph.types.values()
        if one.kind is Kind.ENUM
        and any(set(own.values) - set(one.values) for own in merging.declared(one.name).values())
    }
    if not shrunk:
        return
    for owner in supergraph.types.values():
        for field in owner.fields.values():
            given = [(f"{owner.name}.{field.name}", field.type, field.default)]
            given += [
                (f"{owner.name}.{field.name}({one.name}:)", one.type, one.default) for one in field.arguments.values()
            ]
            for at, reference, default in given:
                lost = _lost_values(supergraph, named(reference), default) if named(reference) in shrunk else []
                if lost:
                    message = (
                        f"The default of {at} is {default}, and {_and(lost)} is not in all subgraphs: choose another."
                    )
                    places = [*merging.places(at), *merging.places(named(reference))]
                    merging.report.error("INVALID_GRAPHQL", message, at=places)


def _lost_values(supergraph: Supergraph, enum: str, default: str | None) -> list[str]:
    value = read_value(parse_const_value(default)) if default is not None else None
    items = value if isinstance(value, list) else [value]
    return [str(one) for one in items if isinstance(one, EnumName) and str(one) not in supergraph.types[enum].values]


def _and(names: list[str]) -> str:
    return " and ".join(f'"{one}"' for one in names)
