"""Tax: codes and their rates by date; others hear of a change by event and keep the rates themselves."""

from shared.module import Module
from subgraphs.tax import demo, events, graph, models, state

module = Module("tax", name="Tax", area="Finance", parts=(events, models, graph, state, demo))
