"""`mewayz diff`: what a new supergraph changes for clients, and which stored operations it breaks."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from router.composition.diff import Difference, Severity, difference
from router.errors import RouterError
from router.execution.stored import stored_operations
from router.supergraph.model import Supergraph
from router.supergraph.sdl import parse_supergraph
from shared.errors import InvalidInput


class UnreadableSchema(InvalidInput):
    """A file given to compare can't be read."""

    code = "UNREADABLE_SCHEMA"


def diff_files(old: Path, new: Path, operations: Path | None, *, as_json: bool) -> int:
    """Print the differences of two supergraph files; return the exit code: 1 when a client may break, else 0.

    `operations` is a folder: each `.graphql` file below it is one stored operation, each `.json` file a map of id to
    text, or a persisted query manifest. Raises UnreadableSchema.
    """
    stored = _operations(operations) if operations else {}
    found = difference(_supergraph(old), _supergraph(new), stored)
    if as_json:
        print(json.dumps(asdict(found), indent=2, ensure_ascii=False))
    else:
        _print(found, len(stored))
    for name in found.unjudged:
        print(f"{name} is no valid operation of {old}: not judged.", file=sys.stderr)
    is_breaking = any(one.severity is Severity.BREAKING for one in found.changes)
    return 1 if found.broken or is_breaking else 0


def _print(found: Difference, stored: int) -> None:
    for change in found.changes:
        print(change)
    for operation in found.broken:
        print(f"BROKEN OPERATION {operation.name}")
        print(*(f"  {reason}" for reason in operation.reasons), sep="\n")
    counts = {severity: sum(one.severity is severity for one in found.changes) for severity in Severity}
    told = ", ".join(f"{count} {severity.lower()}" for severity, count in counts.items())
    print(f"{told}; {len(found.broken)} of {stored} stored operations break")


def _supergraph(path: Path) -> Supergraph:
    try:
        return parse_supergraph(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableSchema(f"{path}: {error}") from None
    except RouterError as error:
        raise UnreadableSchema(f"{path} is no supergraph: {error.message}") from None


def _operations(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        raise UnreadableSchema(f"{folder} is no folder of operations.")
    try:
        return stored_operations(folder)
    except (OSError, ValueError) as error:
        raise UnreadableSchema(f"{folder}: {error}") from None
