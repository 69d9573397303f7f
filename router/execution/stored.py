"""Stored operations: those that clients are known to send, as files in a folder."""

import json
from collections.abc import Iterator
from pathlib import Path


def stored_operations(folder: Path) -> dict[str, str]:
    """Return the operations below a folder by name.

    A `.graphql` file is one operation. A `.json` file is a map of id to text, or the manifest that Apollo's and Relay's
    tools write: `{operations: [{id, name, body}]}`. Raises OSError or ValueError where a file is neither.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.graphql")):
        found[str(path.relative_to(folder))] = path.read_text("utf-8")
    for path in sorted(folder.rglob("*.json")):
        try:
            for name, text in _manifest(json.loads(path.read_text("utf-8"))):
                found[f"{path.relative_to(folder)}#{name}"] = text
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path.name} is no manifest of operations: {error!r}") from error
    return found


def _manifest(content: dict[str, object]) -> Iterator[tuple[str, str]]:
    listed = content.get("operations")
    if isinstance(listed, list):
        yield from ((str(one.get("name") or one["id"]), str(one["body"])) for one in listed)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType, reportUnknownArgumentType]
    else:
        yield from ((name, str(text)) for name, text in content.items())
