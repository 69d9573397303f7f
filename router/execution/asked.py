"""What is asked of subgraphs: representations in pieces, and the requests that carry the pieces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import orjson

from router.execution.compile import CompiledFetch
from router.execution.entities import Json, Targets
from router.planning.plan import Fetch

CHUNK = 1000  # representations a request carries at most
ALIASES = 50  # values of contexts that share a request at most


class Asked:
    """One thing asked of a subgraph: root fields, or one list of entities, for all `members` that ask the same.

    `values` are those of the variables that @fromContext fills, the same for all these entities.
    """

    __slots__ = ("fetch", "members", "offset", "representations", "seen", "values")

    def __init__(
        self, fetch: Fetch, representations: list[Json], offset: int = 0, values: Mapping[str, Json] | None = None
    ) -> None:
        """Take the fetch whose text is sent, its representations, and the number of the first among those of all pieces."""
        self.fetch = fetch
        self.members: list[tuple[CompiledFetch, Targets]] = []
        self.representations = representations
        self.seen: dict[Json, int] = {}
        self.offset = offset
        self.values = values

    def pieces(self) -> list[Asked]:
        """Return this in pieces of at most CHUNK representations that have the same values from contexts."""
        same = self._by_values() if self.fetch.contexts else [self]
        return [piece for one in same for piece in one._chunks()]

    def _chunks(self) -> list[Asked]:
        if len(self.representations) <= CHUNK:
            return [self]
        found: list[Asked] = []
        for start in range(0, len(self.representations), CHUNK):
            piece = Asked(self.fetch, self.representations[start : start + CHUNK], start, self.values)
            piece.members = self.members
            found.append(piece)
        return found

    def _by_values(self) -> list[Asked]:
        """Part (representation, values) by the values; each part counts its representations from 0."""
        parts: dict[bytes, Asked] = {}
        numbers: list[tuple[Asked, int]] = []
        for representation, values in self.representations:
            part = parts.setdefault(orjson.dumps(values), Asked(self.fetch, [], values=values))
            numbers.append((part, len(part.representations)))
            part.representations.append(representation)
        for compiled, targets in self.members:
            mine: dict[int, Targets] = {}
            for number, items in targets.items():
                part, place = numbers[number]
                mine.setdefault(id(part), {})[place] = items
            for part in parts.values():
                if id(part) in mine:
                    part.members.append((compiled, mine[id(part)]))
        return list(parts.values())


def in_requests(several: Iterable[Asked]) -> list[list[Asked]]:
    """Put what is asked of one subgraph into one request, as far as CHUNK and ALIASES allow."""
    batches: dict[tuple[str, int], list[Asked]] = {}
    for asked in several:
        number = aliases = entities = 0
        for piece in asked.pieces():
            aliases, entities = aliases + 1, entities + len(piece.representations)
            if aliases > ALIASES or entities > max(CHUNK, len(piece.representations)):
                number, aliases, entities = number + 1, 1, len(piece.representations)
            batches.setdefault((piece.fetch.subgraph, number), []).append(piece)
    return list(batches.values())
