"""The chain: each record holds the hash of the one before it, so that none can be changed, taken out or put between (AUD-2)."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

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
class Break:
    """Where a chain does not hold: the record, and the hash it should have."""

    record: Any
    expected: str
    found: str


def hash_of(previous: str, record: Any) -> str:
    """Return a record's chain hash: SHA-256 of the previous one and the record's facts as canonical JSON (AUD-2).

    `record` is an AuditRecord, or a mapping with its columns.
    """
    facts = {name: _plain(_column(record, name)) for name in CHAINED}
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


def first_break(records: Iterable[Any], *, previous: str = GENESIS, sequence: int = 0) -> Break | None:
    """Return the first record that does not follow on the one before it, None for a chain that is whole.

    `records` come in order; `previous` and `sequence` are of the record before the first of them.
    """
    for record in records:
        sequence += 1
        expected, found = hash_of(previous, record), _column(record, "chain_hash")
        is_next = _column(record, "sequence") == sequence and _column(record, "previous_hash") == previous
        if not is_next or found != expected:
            return Break(record, expected, found)
        previous = found
    return None


def _column(record: Any, name: str) -> Any:
    return record[name] if isinstance(record, Mapping) else getattr(record, name)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, Enum):
        return value.value
    return value if value is None or isinstance(value, int | str) else str(value)
