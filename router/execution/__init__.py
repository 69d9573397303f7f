"""A query plan becomes an answer: compiled plans, requests to subgraphs, nulls, error paths, bytes."""
