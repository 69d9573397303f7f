"""Support: tickets answered against SLA timers that respect business hours."""

from shared.module import Module
from subgraphs.support import demo, events, handlers, models, privacy
from subgraphs.support.graph import commands, reports, types

module = Module(
    "support",
    name="Support",
    area="Projects & Service",
    parts=(events, models, types, reports, commands, handlers, privacy, demo),
)
