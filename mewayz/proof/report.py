"""What the proof found."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mewayz.proof.ids import Side

_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_INSTANT = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(Z|[+-]\d\d:?\d\d)?")
_REFERENCE = re.compile(rb'Reference: [0-9a-f]+|mwz_[\w-]+|"retryAfterMs":\d+')


@dataclass
class Report:
    """Counts probes, and keeps every finding as a sentence."""

    probes: int = 0
    fields: set[str] = field(default_factory=set[str])
    covered: set[str] = field(default_factory=set[str])
    commands: set[str] = field(default_factory=set[str])
    accepted: set[str] = field(default_factory=set[str])
    leaks: list[str] = field(default_factory=list[str])
    timing: float | None = (
        None  # how long B's ids take, as a multiple of what nobody's take: the median of all entities
    )
    defects: list[str] = field(default_factory=list[str])

    @property
    def uncovered(self) -> list[str]:
        """Fields that never had a value for their owner: of them nothing is proven."""
        return sorted(self.fields - self.covered)

    def leak(self, where: str, what: str) -> None:
        """Note a finding."""
        self.leaks.append(f"{where}: {what}")

    def expect(self, holds: bool, where: str, what: str) -> None:
        """Count one probe of a wall, and note a leak where it does not hold."""
        self.probes += 1
        if not holds:
            self.leak(where, what)

    def read(self, where: str, body: bytes, other: Side, asked: Iterable[str] = ()) -> bytes:
        """Count an answer, look for the other tenant's marks in it, and return it with what may differ masked.

        `asked` are ids that the question itself named.
        """
        self.probes += 1
        for one in asked:
            body = body.replace(one.encode(), b"ID")
        for mark in other.marks():
            if mark.encode() in body:
                self.leak(where, f"shows {mark}: {_excerpt(body, mark)}")
        if b'"INTERNAL"' in body:
            self.defects.append(f"{where}: {body[:300].decode()}")
        return _REFERENCE.sub(b"R", _INSTANT.sub(b"T", _UUID.sub(b"ID", body)))

    def compare(self, where: str, foreign: bytes, absent: bytes) -> None:
        """Note a leak where a foreign id answers other than an absent one."""
        if foreign != absent:
            place = next((n for n, (one, other) in enumerate(zip(foreign, absent, strict=False)) if one != other), 0)
            shown = [body[max(0, place - 60) : place + 120].decode(errors="replace") for body in (foreign, absent)]
            self.leak(where, f"foreign ...{shown[0]} is not absent ...{shown[1]}")


def _excerpt(body: bytes, mark: str) -> str:
    place = body.find(mark.encode())
    return body[max(0, place - 40) : place + 40].decode(errors="replace")


def data_of(body: bytes) -> dict[str, Any]:
    """Return an answer's data, {} for none."""
    return json.loads(body).get("data") or {}
