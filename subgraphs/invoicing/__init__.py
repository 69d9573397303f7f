"""Invoicing: drafts, issued invoices, payments and credit notes, with numbers that have no gaps."""

from shared.module import Module
from subgraphs.invoicing import events, graph, handlers, models

module = Module("invoicing", name="Invoicing", area="Finance", parts=(events, models, graph, handlers))
