"""Times as module authors and SDL write them."""

import re
from datetime import timedelta

_SPAN = re.compile(r"([0-9]+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def span(written: str) -> timedelta | None:
    """Return the time that `30s`, `15m`, `1h` or `1d` means; None for what is none of these."""
    found = _SPAN.fullmatch(written)
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
