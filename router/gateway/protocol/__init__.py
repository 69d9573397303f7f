"""How clients speak to the gateway: HTTP, and what an ASGI server hands us."""
