"""Notifications: messages in the app, written when facts arrive that someone should know of."""

from shared.module import Module
from subgraphs.notifications import events, graph, handlers, models

module = Module("notifications", name="Notifications", area="Communication", parts=(events, models, graph, handlers))
