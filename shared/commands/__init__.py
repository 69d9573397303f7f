"""Commands: one transaction, refusals as data, the same key never twice."""
