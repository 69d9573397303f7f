"""The sign of life that a module's process writes for its supervisor: one JSON object a line, each second."""

from datetime import datetime

import msgspec


class Beat(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a module is. The first one says that it takes requests; the last one, written when all is done, is `settled`."""

    idle_s: float = 0.0  # since the last request or handler ended; 0 with work in hand
    due_at: datetime | None = None  # when scheduled work is due next, on the business clock; None where there is none
    at: datetime | None = None  # when its last words were said, on the same clock
    settled: bool = False  # it has ended in order, and nothing waits in its outbox
