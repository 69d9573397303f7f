"""A module's process: its endpoint on a socket, its relay and consumer, its orderly end."""

from shared.hosting.process import serve

__all__ = ["serve"]
