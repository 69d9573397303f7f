"""Where a search stands: what is decided, what is still to do, what needs what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from router.planning.choices import Arrival
from router.planning.normalize import Want
from router.supergraph.reach import Entry


@dataclass(slots=True)
class State:
    """What a search has decided so far: who serves each want, by which key each subgraph is entered.

    A *token* is a want's position, or ("in", subgraph) for entering it; `edges` has what each needs, and stays acyclic.
    """

    todo: list[int]
    wants: list[Want]
    needers: list[tuple[object, ...]]
    taken: dict[int, tuple[tuple[int, ...], Arrival | None]] = field(default_factory=dict)
    doors: dict[int, Entry | None] = field(default_factory=dict)
    edges: dict[object, set[object]] = field(default_factory=dict)
    index: dict[object, int] = field(default_factory=dict)

    def copy(self) -> State:
        """Return a state that can go another way."""
        edges = {token: set(more) for token, more in self.edges.items()}
        return State(
            list(self.todo), list(self.wants), list(self.needers), dict(self.taken), dict(self.doors), edges,
            dict(self.index),
        )  # fmt: skip

    def leads(self, start: object, goals: tuple[object, ...]) -> bool:
        """Whether something at `start` depends on any of `goals`."""
        seen: set[object] = set()
        stack = [start]
        while stack:
            token = stack.pop()
            if token in goals:
                return True
            if token not in seen:
                seen.add(token)
                stack.extend(self.edges.get(token, ()))
        return False

    def level(self, token: object, levels: dict[object, int]) -> int:
        """Return how many entries come one after the other until `token` is there."""
        if token not in levels:
            deepest = max((self.level(one, levels) for one in self.edges.get(token, ())), default=0)
            levels[token] = deepest if isinstance(token, int) else deepest + 1
        return levels[token]

    def chain(self, token: object, subgraph: int, chains: dict[tuple[object, int], int]) -> int:
        """Return how many visits to a subgraph must come one after the other to have `token`."""
        if (token, subgraph) not in chains:
            edges = self.edges.get(token, ())
            before = max((self.chain(one, subgraph, chains) for one in edges), default=0)
            mine = isinstance(token, int) and ("in", subgraph) in edges and subgraph in self.taken[token][0]
            chains[token, subgraph] = before + mine
        return chains[token, subgraph]


class Option(NamedTuple):
    """A way to serve a want: by which subgraphs, entering which of them anew, at what cost below (fetches, levels)."""

    subgraphs: tuple[int, ...]
    below: Arrival | None
    doors: tuple[tuple[int, Entry | None], ...]
    extra: int  # entries that are new for sure
    child: tuple[int, int]
    requires: bool

    @property
    def rank(self) -> tuple[int, int, int, int]:
        """What it costs: the cheapest comes first."""
        return self.extra + self.child[0], self.child[1], self.extra, self.requires
