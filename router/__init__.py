"""A federation router: it composes subgraphs into one graph, plans operations over it and executes the plans.

The rooms are a staircase: gateway > execution > planning | composition > supergraph > errors. All but the gateway are
a general-purpose federation engine and know nothing of this platform.
"""
