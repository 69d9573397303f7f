"""Where a role connects, and with which password: while that changes, there are two that may be right."""

from collections.abc import Callable, Sequence
from typing import Any

import asyncpg

Address = Callable[[], Sequence[str]]
"""Returns the URLs of one role as they are now, in the order in which they are tried."""

_LOOKS = 2  # between the question and the answer the password may have been changed once more


async def open_connection(url: str | Address, **options: Any) -> "asyncpg.Connection[Any]":
    """Connect by the first URL whose password the server takes. Raises what asyncpg raises."""
    refusal: asyncpg.InvalidPasswordError | None = None
    for _ in range(_LOOKS):
        for each in (url,) if isinstance(url, str) else url():
            try:
                return await asyncpg.connect(each, **options)
            except asyncpg.InvalidPasswordError as error:
                refusal = error
    assert refusal is not None, "there is an address"
    raise refusal
