"""The gateway: the ASGI application in front of the modules. `app` puts it together."""
