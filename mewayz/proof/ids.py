"""Ids that tell whose they are: an id of B's that shows in an answer to A is seen at a glance."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

ABSENT = UUID("dddddddd-0000-7000-8000-000000000000")
_MARKS = {"a": "aaaaaaaa", "b": "bbbbbbbb", "twin": "cccccccc"}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two tenants: `letter` marks its ids, its texts and, by its currency, its money."""

    letter: str
    currency: str

    @property
    def tenant(self) -> UUID:
        """The tenant's id."""
        return self.row("identity.Tenant", 2)

    @property
    def canary(self) -> str:
        """What all of the tenant's texts begin with."""
        return f"cnry{self.letter}"

    def row(self, entity: str, number: int) -> UUID:
        """Return the id of a row; row 0 of an entity has the same id in both tenants."""
        owner = "twin" if number == 0 else self.letter
        tail = hashlib.sha256(f"{entity}/{number}".encode()).hexdigest()[:24]
        return UUID(_MARKS[owner] + tail)

    def marks(self) -> tuple[str, ...]:
        """Return what no answer to the other tenant may hold."""
        return (_MARKS[self.letter], self.canary, f'"{self.currency}"')


A = Side("a", "CNY")
B = Side("b", "HKD")
