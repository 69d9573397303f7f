"""Teller: counts what clients post; the publishing side of the chaos run."""

from subgraphs.teller import teller

from shared.module import Module

module = Module("teller", name="Teller", area="Chaos", parts=(teller,))
