"""The modules: one folder each, a bounded context with its own database and its own subgraph."""
