"""@shareable: a field that several subgraphs resolve must be shareable in each of them."""

from collections.abc import Iterable, Mapping

from router.composition.facts import Field, TypeFacts
from router.composition.merge.merging import Merging
from router.composition.merge.overrides import Overrides


def check_sharing(
    merging: Merging,
    owner: str,
    resolved: Mapping[int, Field],
    *,
    parents: Mapping[int, TypeFacts],
    providers: Iterable[int],
    overrides: Overrides,
) -> None:
    """INVALID_FIELD_SHARING: of several resolvers each says @shareable; an @interfaceObject is one, too.

    A subgraph that @provides the field on some path resolves it, too, and shares it by nature.
    """
    name = next(iter(resolved.values())).name
    resolvers: dict[int, list[str]] = {}
    for index in providers:
        if index not in resolved:
            resolvers[index] = []
    for index in resolved:
        if parents[index].kind == "OBJECT" and index not in overrides.taken and index not in overrides.migrating:
            resolvers[index] = [owner]
    if owner in merging.by_interface_object:
        for index, interface in merging.by_interface_object[owner]:
            if (field := merging.subgraphs[index].field_at((interface, name))) and not _is_external(
                merging, index, interface, field
            ):
                resolvers.setdefault(index, []).append(interface)
    selfish = [
        index
        for index, owners in resolvers.items()
        if any((one, name) not in merging.subgraphs[index].shareable for one in owners)
    ]
    if selfish and sum(max(len(owners), 1) for owners in resolvers.values()) > 1:
        many = merging.names(resolvers)
        message = (
            f'"{owner}.{name}" is resolved by {many}, but not @shareable in {merging.names(selfish)}: '
            f"mark it there, or let one subgraph resolve it."
        )
        places = [
            place
            for index, owners in resolvers.items()
            for one in owners or [owner]
            for place in merging.sides(f"{one}.{name}", [index])
        ]
        merging.report.error("INVALID_FIELD_SHARING", message, at=places)


def check_subscription(merging: Merging) -> None:
    """INVALID_FIELD_SHARING: events of a subscription come from one subgraph."""
    for index, owner in merging.declared("Subscription").items():
        for field in owner.fields.values():
            subgraph = merging.subgraphs[index]
            if subgraph.is_federation_2 and (owner.name, field.name) in subgraph.shareable:
                message = f'[{subgraph.name}] "Subscription.{field.name}" cannot be @shareable: remove the mark.'
                merging.error("INVALID_FIELD_SHARING", message, [field])


def _is_external(merging: Merging, index: int, owner: str, field: Field) -> bool:
    return (owner, field.name) in merging.subgraphs[index].external
