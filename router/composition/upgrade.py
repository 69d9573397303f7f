"""Federation 1 subgraphs among others: read as Federation 2 means them."""

from router.composition.facts import SubgraphFacts
from router.composition.report import Report


def upgrade(subgraphs: list[SubgraphFacts], report: Report) -> None:
    """Upgrade every Federation 1 subgraph in place."""
