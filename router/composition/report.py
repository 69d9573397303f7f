"""What composition tells: problems and hints, each with the places it is about."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in one subgraph's SDL; line and column count from 1."""

    subgraph: str
    line: int
    column: int


class HintLevel(IntEnum):
    """How much a hint matters: WARN is likely a mistake, INFO is good to know, DEBUG is for the curious."""

    DEBUG = 20
    INFO = 40
    WARN = 60


@dataclass(frozen=True, slots=True)
class CompositionError:
    """One reason why the subgraphs do not compose. `code` is stable and listed in docs/errors.md."""

    code: str
    message: str
    locations: tuple[Location, ...] = ()

    def __str__(self) -> str:
        return f"{self.code}: {self.message}{_where(self.locations)}"


@dataclass(frozen=True, slots=True)
class Hint:
    """Something composition noticed that does not stop it. `coordinate` names the element, as `Type.field(arg:)`."""

    code: str
    level: HintLevel
    message: str
    coordinate: str | None = None
    locations: tuple[Location, ...] = ()

    def __str__(self) -> str:
        return f"{self.level.name} {self.code}: {self.message}{_where(self.locations)}"


@dataclass(slots=True)
class Report:
    """Collects all that is found; nothing in composition raises for what stands in the SDL."""

    errors: list[CompositionError] = field(default_factory=list[CompositionError])
    hints: list[Hint] = field(default_factory=list[Hint])

    def error(self, code: str, message: str, *, at: Iterable[Location | None] = ()) -> None:
        """Note a problem; places that are None are left out."""
        self.errors.append(CompositionError(code, message, tuple(place for place in at if place)))


def _where(locations: tuple[Location, ...]) -> str:
    if not locations:
        return ""
    return " (" + ", ".join(f"{place.subgraph}:{place.line}:{place.column}" for place in locations) + ")"
