"""All rules for one subgraph, in the order their errors are told."""

from router.composition.facts import SubgraphFacts
from router.composition.report import Report
from router.composition.rules.fields_arguments import check_keys, check_provides, check_requires


def check_subgraph(facts: SubgraphFacts, report: Report) -> None:
    """Check a subgraph for itself; federation's rules only once it is valid GraphQL."""
    for rule in (check_keys, check_requires, check_provides):
        rule(facts, report)
