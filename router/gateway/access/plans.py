"""Who may see which modules answer an operation, and in which order: not everybody in a company builds upon it."""

from shared.wire.principal import Principal

_PERMISSION = "gateway.plan.read"  # of owners, administrators, auditors, and roles of a company's own


def may_see_plans(principal: Principal | None) -> bool:
    """Tell whether a caller may be shown plans: anybody of a plain router, else who has the permission."""
    return principal is None or principal.scope(_PERMISSION) is not None
