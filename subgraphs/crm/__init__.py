"""CRM: customers, contacts and the deal pipeline, from first conversation to close."""

from shared.module import Module
from subgraphs.crm import demo, events, graph, handlers, models, state

module = Module("crm", name="CRM", area="Sales", parts=(events, models, graph, handlers, state, demo))
