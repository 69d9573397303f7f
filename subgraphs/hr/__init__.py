"""HR: departments, people, leave, and what salespeople earn."""

from shared.module import Module
from subgraphs.hr import events, graph, handlers, models

module = Module("hr", name="Human Resources", area="HR", parts=(events, models, graph, handlers))
