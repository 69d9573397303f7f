"""Merging: what all subgraphs say about a type becomes one type of the supergraph. One file per kind."""
