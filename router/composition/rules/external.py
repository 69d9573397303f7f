"""@external: every mark has a use, and none is on an interface."""

from router.composition.facts import SubgraphFacts
from router.composition.report import Report


def check_external_on_interfaces(facts: SubgraphFacts, report: Report) -> None:
    """EXTERNAL_ON_INTERFACE: an interface's fields have no resolver, so none of them is elsewhere."""
    if not facts.is_federation_2:
        return
    for owner in facts.types.values():
        for field in owner.fields.values() if owner.kind == "INTERFACE" else ():
            if (mark := field.first("external")) is not None:
                message = (
                    f'[{facts.name}] "{owner.name}.{field.name}" is of an interface and so never @external: remove it.'
                )
                report.error("EXTERNAL_ON_INTERFACE", message, at=[mark.location])


def check_external_is_used(facts: SubgraphFacts, report: Report) -> None:
    """EXTERNAL_UNUSED: an external field is named by a @key, @requires, @provides, or an interface."""
    if not facts.is_federation_2:
        return
    for owner, name in sorted(facts.external - facts.used):
        field = facts.field_at((owner, name))
        if field is not None and not field.has("provides"):  # @provides on it is told by check_provides
            message = (
                f'[{facts.name}] "{owner}.{name}" is @external, but no @key, @requires, @provides or interface '
                f"here uses it: remove the field, or the mark."
            )
            report.error("EXTERNAL_UNUSED", message, at=[field.location])
