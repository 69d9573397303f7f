"""The module kit: everything a subgraph is built on, and nothing about any one module."""
