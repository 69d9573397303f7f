"""All rules for one subgraph, in the order their errors are told."""

from router.composition.facts import SubgraphFacts
from router.composition.report import Report
from router.composition.rules.auth import check_auth_places
from router.composition.rules.context import check_context
from router.composition.rules.cost import check_cost, check_list_size
from router.composition.rules.directives import check_directives
from router.composition.rules.external import check_external_is_used, check_external_on_interfaces
from router.composition.rules.fields_arguments import check_keys, check_provides, check_requires
from router.composition.rules.interfaces import check_interface_keys, check_interface_objects, check_shareable
from router.composition.rules.types import check_types

GRAPHQL_RULES = (check_directives, check_types)
FEDERATION_RULES = (
    check_keys,
    check_requires,
    check_provides,
    check_external_on_interfaces,
    check_external_is_used,
    check_interface_keys,
    check_interface_objects,
    check_shareable,
    check_cost,
    check_list_size,
    check_context,
    check_auth_places,
)


def check_subgraph(facts: SubgraphFacts, report: Report) -> None:
    """Check a subgraph for itself; federation's rules only once it is valid GraphQL."""
    before = len(report.errors)
    for rule in GRAPHQL_RULES:
        rule(facts, report)
    if len(report.errors) > before:
        return
    for rule in FEDERATION_RULES:
        rule(facts, report)
