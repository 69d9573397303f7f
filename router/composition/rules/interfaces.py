"""Interface entities and interface objects, as one subgraph can see them."""

from router.composition.facts import SubgraphFacts
from router.composition.field_sets import parse_field_set
from router.composition.report import Report
from router.composition.usage import keys_of


def check_interface_keys(facts: SubgraphFacts, report: Report) -> None:
    """INTERFACE_KEY_NOT_ON_IMPLEMENTATION: each key of an interface is a key of all its implementations here."""
    if not facts.is_federation_2:
        return
    for owner in facts.types.values():
        if owner.kind != "INTERFACE" or not owner.directives:
            continue
        for key in owner.applied("key"):
            wanted = parse_field_set(key.text("fields") or "")
            for one in facts.implementations(owner.name):
                if all(parse_field_set(text) != wanted for text in keys_of(one)):
                    message = (
                        f'[{facts.name}] The interface "{owner.name}" has @key(fields: "{key.text("fields")}"), its '
                        f'implementation "{one.name}" does not: add the key there.'
                    )
                    report.error("INTERFACE_KEY_NOT_ON_IMPLEMENTATION", message, at=[key.location, one.location])


def check_interface_objects(facts: SubgraphFacts, report: Report) -> None:
    """INTERFACE_OBJECT_USAGE_ERROR: what stands for an interface is an entity."""
    for owner in facts.types.values():
        mark = owner.first("interfaceObject") if owner.directives else None
        if mark is not None and not owner.has("key"):
            message = (
                f'[{facts.name}] "{owner.name}" is an @interfaceObject without @key: give it a key of the interface.'
            )
            report.error("INTERFACE_OBJECT_USAGE_ERROR", message, at=[mark.location])


def check_shareable(facts: SubgraphFacts, report: Report) -> None:
    """INVALID_SHAREABLE_USAGE: only fields with a resolver can be shared, an interface's have none."""
    for owner in facts.types.values():
        for field in owner.fields.values() if owner.kind == "INTERFACE" else ():
            mark = field.first("shareable")
            if mark is not None:
                message = (
                    f'[{facts.name}] "{owner.name}.{field.name}" is of an interface and never @shareable: remove it.'
                )
                report.error("INVALID_SHAREABLE_USAGE", message, at=[mark.location])
