"""Journal: writes down what it hears; the hearing side of the chaos run."""

from subgraphs.journal import journal

from shared.module import Module

module = Module("journal", name="Journal", area="Chaos", parts=(journal,))
