"""Commands that wait for their module, and the built-in subgraph `gateway` that tells what became of them."""
