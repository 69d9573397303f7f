"""The facts Privacy publishes; what it hears are the modules' answers (shared/wire/privacy.py, ADR 0021)."""

from datetime import datetime
from uuid import UUID

from shared.wire.envelope import Event


class PrivacyErasureRequested(Event, type="privacy.erasure.requested", aggregate="PrivacyRequest"):
    """A person is to be erased; each module answers. A later round names more ids of the same person."""

    privacy_request_id: UUID
    round: int
    ids: tuple[UUID, ...]
    emails: tuple[str, ...]


class PrivacyErasureExecuted(Event, type="privacy.erasure.executed", aggregate="PrivacyRequest"):
    """Every module has answered: the person is erased, but for what the law wants kept."""

    privacy_request_id: UUID
    subject_keys: tuple[UUID, ...]
    executed_at: datetime


class PrivacyAccessReady(Event, type="privacy.access.ready", aggregate="PrivacyRequest"):
    """A person's data was handed over."""

    privacy_request_id: UUID
    module_count: int
