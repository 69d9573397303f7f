"""The rules that hold for one subgraph: one rule is one function, named after what must be so."""
