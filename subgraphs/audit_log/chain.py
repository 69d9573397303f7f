"""The chain: each record holds the hash of the one before it, so that none can be changed, taken out or put between (AUD-2)."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID

import orjson

GENESIS = "0" * 64  # what the first record of a chain follows on
CHAINED = (
    "id",
    "sequence",
    "subject",
    "action",
    "module_slug",
    "actor_user_id",
    "entity_type",
    "entity_reference",
    "occurred_at",
    "event_id",
    "change_summary",
    "request_id",
    "occurrences",
    "origin_hash",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Where the log is not what was written: a sentence, the row (a record, else a seal), the hash it should have and has."""

    what: str
    row_id: UUID
    expected: str
    found: str

    @property
    def key(self) -> tuple[UUID, str, str]:
        """What tells it from every other fault: once acknowledged, exactly this is not told again."""
        return self.row_id, self.expected, self.found


@dataclass(slots=True)
class Place:
    """A place in a chain: number and hash of the record that the next one follows on."""

    sequence: int = 0
    hash: str = GENESIS

    def step(self, record: Any) -> Fault | None:
        """Go on to a record, by whatever hash it has, and return what is wrong where it does not follow on the one before."""
        expected, found = hash_of(self.hash, record), record.chain_hash
        is_next = record.sequence == self.sequence + 1 and record.previous_hash == self.hash
        self.sequence, self.hash = record.sequence, found
        if is_next and found == expected:
            return None
        return Fault(f"record {record.sequence} does not follow", record.id, expected, found)


def hash_of(previous: str, record: Any) -> str:
    """Return a record's chain hash: SHA-256 of the previous one and the record's facts as canonical JSON (AUD-2).

    `record` is an AuditRecord, or a row with its columns.
    """
    facts = {name: _plain(getattr(record, name)) for name in CHAINED}
    return hashlib.sha256(previous.encode() + orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()


def root_of(hashes: Iterable[str]) -> str:
    """Return a seal's root: SHA-256 over the chain hashes of its records, in order."""
    digest = hashlib.sha256()
    for one in hashes:
        digest.update(one.encode())
    return digest.hexdigest()


def origin_hash(salt: str, address: str | None, user_agent: str | None) -> str:
    """Return what the chain holds of where a request came from.

    The salt lies with the address, outside the chain: once both are erased the hash tells nothing any more, and the chain
    still holds (AUD-4).
    """
    return hashlib.sha256(orjson.dumps([salt, address, user_agent])).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, Enum):
        return value.value
    return value if value is None or isinstance(value, int | str) else str(value)
