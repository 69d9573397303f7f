"""Support: tickets answered against SLA timers that respect business hours."""

from shared.module import Module
from subgraphs.support import events, graph, handlers, models

module = Module("support", name="Support", area="Projects & Service", parts=(events, models, graph, handlers))
