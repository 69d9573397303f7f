"""The platform's own schema directives (contracts.md, "Tenancy in the schema", "Commands")."""

from enum import Enum

import strawberry
from strawberry.federation.schema_directive import Location, schema_directive


@strawberry.enum(name="tenant__Scope")
class Scope(Enum):
    """Whose data a type holds: one tenant's, or nobody's."""

    TENANT = "TENANT"
    GLOBAL = "GLOBAL"


@schema_directive(
    name="tenant",
    locations=[Location.OBJECT, Location.FIELD_DEFINITION],
    compose=True,
    import_url="https://mewayz.dev/specs/tenant/v1.0",
)
class Tenant:
    """Says whether what stands here belongs to the caller's tenant."""

    scope: Scope


@schema_directive(
    name="queueable",
    locations=[Location.FIELD_DEFINITION],
    compose=True,
    import_url="https://mewayz.dev/specs/queueable/v1.0",
)
class Queueable:
    """A command that may wait in the queue, for at most `ttl`, while its module is away."""

    ttl: str
