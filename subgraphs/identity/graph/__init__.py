"""Identity in the graph: types, queries and commands."""
