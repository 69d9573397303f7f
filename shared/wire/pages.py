"""What identity tells gateways of the pages that a tenant lets call the API from a browser; the event only says: ask again."""

from uuid import UUID

import msgspec

PAGES_EVENT = "access.origins.changed"


class TenantPages(msgspec.Struct, frozen=True, kw_only=True):
    """The origins of one tenant's pages: `https://app.example.com`."""

    tenant_id: UUID
    origins: tuple[str, ...]


class AllPages(msgspec.Struct, frozen=True, kw_only=True):
    """Those of all tenants that have any."""

    tenants: list[TenantPages]
