"""What identity tells gateways of access tokens that end before their time: as an event, and asked for at a start."""

from datetime import datetime
from uuid import UUID

import msgspec

REVOKED_EVENT = "access.revoked"


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """`is_final`: no token of this session or key counts in the tenant; else those of a person, or of all, until `at`."""

    tenant_id: UUID
    subject_id: UUID
    is_final: bool
    at: datetime


class Revocations(msgspec.Struct, frozen=True, kw_only=True):
    """All that identity knows from the life of an access token."""

    revocations: list[Revocation]
