"""What privacy asks of every module, and what each answers: the erasure of a person in rounds (ADR 0021)."""

import functools
from uuid import UUID

from shared.wire.envelope import Event


class ErasureRequested(Event, type="privacy.erasure.requested"):
    """A person is to be erased: whoever any of these ids and e-mail addresses is.

    A later round names more ids of the same person, which modules found in the rounds before.
    """

    privacy_request_id: UUID
    round: int
    ids: tuple[UUID, ...]
    emails: tuple[str, ...]


class PrivacyAnswer(Event):
    """A module has erased a person in one round: how many rows it changed, how many it kept and why, and which ids it found."""

    privacy_request_id: UUID
    round: int
    row_count: int
    kept_count: int
    kept_reasons: tuple[str, ...] = ()
    found_ids: tuple[UUID, ...] = ()


@functools.cache
def privacy_answer(slug: str) -> type[PrivacyAnswer]:
    """Return the event type that a module answers by: `crm.privacy.answered`. No module can answer for another."""

    class Answered(
        PrivacyAnswer,
        type=f"{slug}.privacy.answered",
        aggregate=f"{slug.title().replace('_', '')}PrivacyAnswer",
        key="privacy_request_id",
    ):
        __doc__ = PrivacyAnswer.__doc__

    return Answered
