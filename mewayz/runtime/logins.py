"""The demo logins, as the planting kept them."""

from pathlib import Path

import msgspec

from shared.wire.control import Login


def demo_logins(secrets: Path) -> list[Login]:
    """Return the demo logins that the demo job wrote; none where there is no demo data."""
    path = secrets / "demo-logins.json"
    return msgspec.json.decode(path.read_bytes(), type=list[Login]) if path.exists() else []
