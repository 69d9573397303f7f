"""HR: departments, people, leave, and what salespeople earn."""

from shared.module import Module
from subgraphs.hr import demo, events, handlers, models, state
from subgraphs.hr.graph import commissions, leave, staff, types

module = Module(
    "hr",
    name="Human Resources",
    area="HR",
    parts=(events, models, types, staff, leave, commissions, handlers, state, demo),
)
