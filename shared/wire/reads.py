"""Reads of sensitive fields as facts: who has seen which rows (issue 5, audit log)."""

import functools
from uuid import UUID

from shared.wire.envelope import Event

MOST_ROWS = 100


class SensitiveRead(Event):
    """Someone has read sensitive fields. `row_ids` names the first hundred rows, `row_count` counts all."""

    reader_id: UUID
    entity: str
    fields: tuple[str, ...]
    row_ids: tuple[UUID, ...]
    row_count: int


@functools.cache
def sensitive_read(slug: str) -> type[SensitiveRead]:
    """Return the event type that a module tells its reads by: `hr.sensitive.read`, ordered by the reader."""

    class Told(
        SensitiveRead,
        type=f"{slug}.sensitive.read",
        aggregate=f"{slug.title().replace('_', '')}Reader",
        key="reader_id",
    ):
        __doc__ = SensitiveRead.__doc__

    return Told
