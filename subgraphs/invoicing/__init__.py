"""Invoicing: drafts, issued invoices, payments and credit notes, with numbers that have no gaps."""

from shared.module import Module
from subgraphs.invoicing import demo, events, handlers, models
from subgraphs.invoicing.graph import commands, reports, types

module = Module(
    "invoicing", name="Invoicing", area="Finance", parts=(events, models, types, commands, reports, handlers, demo)
)
