"""Other routers on this project's supergraph, and other composers on its subgraphs: run where Node is."""
