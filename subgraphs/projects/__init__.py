"""Projects: plans of tasks and milestones, and approved time turned into billable lines."""

from shared.module import Module
from subgraphs.projects import demo, events, handlers, models
from subgraphs.projects.graph import hours, plans, reports, types

module = Module(
    "projects",
    name="Projects",
    area="Projects & Service",
    parts=(events, models, types, reports, plans, hours, handlers, demo),
)
