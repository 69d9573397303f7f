"""Composition: subgraph SDLs -> one supergraph, or every reason why not."""

from router.composition.compose import Composer, Composition, compose
from router.composition.report import CompositionError, Hint, HintLevel, Location
from router.composition.subgraph import Subgraph

__all__ = ["Composer", "Composition", "CompositionError", "Hint", "HintLevel", "Location", "Subgraph", "compose"]
