"""The gateway's own events, which the audit log hears: it is no module, and publishes nothing else."""

from typing import Final
from uuid import UUID

REFUSED: Final = "gateway.request.refused"
BEGUN: Final = "gateway.session.begun"
PLATFORM: Final = UUID(int=0)  # the tenant of what no tenant is known of: refused tokens, failed sign-ins
