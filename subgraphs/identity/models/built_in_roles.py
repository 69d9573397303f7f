"""The roles every tenant starts with. Who needs another mixture defines a role of their own."""

from dataclasses import dataclass

from subgraphs.identity.models.roles import OWNER, AccessRole, AccessRoleScopeRule


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A role by its name and its permission patterns; `title` is what a member with it is called at first."""

    name: str
    title: str
    patterns: tuple[str, ...]


def _reads(module: str, entities: str) -> tuple[str, ...]:
    return tuple(f"{module}.{entity}.read" for entity in entities.split())


_CRM = _reads("crm", "customer contact pipeline deal sales_activity")
_INVOICING = _reads("invoicing", "invoice invoice_line credit_note invoice_payment number_series")
_PEOPLE = _reads("hr", "employee department")
_PROJECTS = _reads("projects", "project project_task project_milestone time_entry billable_batch")
_SUPPORT = _reads("support", "ticket ticket_message sla_policy sla_timer support_team")
_BOOKING = _reads("booking", "bookable_resource booking_service availability_rule booking waitlist_entry")
_EVERYDAY = (*_CRM, *_INVOICING, *_PEOPLE, *_PROJECTS, *_SUPPORT, *_BOOKING)
_OWN_WORK = (
    *_reads("projects", "project project_task"),  # to log time on a task one has to see it
    "projects.time.log@own",
    "projects.time.write@own",
    "projects.time_entry.read@own",
    "projects.task.write",
    "hr.leave.request@own",
    "hr.leave_request.read@own",
    "notifications.notification_message.read@own",
    "notifications.preference.write@own",
)
_MEMBER = (
    *_CRM,
    *_PEOPLE,
    *_reads("projects", "project_milestone"),
    *_SUPPORT,
    *_BOOKING,
    "booking.booking.write",
    "crm.activity.write",
    *_OWN_WORK,
)
_MANAGEMENT = (
    "crm.*",
    "invoicing.*",
    "projects.*",
    "support.*",
    "booking.*",
    "fleet.*",
    "ecommerce.*",
    "pos.*",
    "analytics.*",
    "identity.user.invite",
    "identity.user.read",
    "identity.access_role.read",
    "identity.tenant_membership.read",
    *_PEOPLE,
    "hr.leave.approve@team",
    "hr.leave_request.read@team",
    "hr.commission_entry.read@team",
    *_OWN_WORK,
)

BUILT_IN = (
    BuiltIn(OWNER, "Owner", ("*",)),
    # An administrator may do all an owner may, but make or unmake an owner: that is a rule, not a permission.
    BuiltIn("Admin", "Administrator", ("*",)),
    BuiltIn("Manager", "Manager", _MANAGEMENT),
    BuiltIn("Member", "Member", _MEMBER),
    BuiltIn("Viewer", "Viewer", _EVERYDAY),
    BuiltIn(
        "Sales",
        "Salesperson",
        (
            *_reads("crm", "contact pipeline"),
            "crm.contact.write",
            "crm.customer.read",
            "crm.customer.write",
            "crm.deal.read@own",
            "crm.deal.write@own",
            "crm.deal.close@own",
            "crm.sales_activity.read@own",
            "crm.activity.write@own",
            *_reads("invoicing", "invoice invoice_line credit_note"),
            *_PEOPLE,
            "hr.commission_entry.read@own",
            *_OWN_WORK,
        ),
    ),
    BuiltIn(
        "Sales manager",
        "Sales manager",
        (
            *_reads("crm", "contact pipeline"),
            "crm.contact.write",
            "crm.customer.*",
            "crm.deal.*@team",
            "crm.sales_activity.read@team",
            "crm.activity.write@team",
            *_INVOICING,
            *_PEOPLE,
            "hr.commission_entry.read@team",
            "hr.leave.approve@team",
            "hr.leave_request.read@team",
            *_OWN_WORK,
        ),
    ),
    BuiltIn(
        "Agent",
        "Support agent",
        (
            *_reads("crm", "customer contact"),
            *_reads("support", "sla_policy sla_timer support_team ticket_message"),
            "support.ticket.read@team",
            "support.ticket.write@team",
            "support.ticket.reply@team",
            "support.ticket.assign@team",
            "support.ticket.merge@team",
            *_PEOPLE,
            *_OWN_WORK,
        ),
    ),
    BuiltIn(
        "Finance manager",
        "Finance manager",
        (
            "invoicing.*",
            "accounting.*",
            "payments.*",
            "tax.*",
            "crm.customer.read",
            "crm.contact.read",
            "crm.deal.read",
            *_PEOPLE,
            *_reads("projects", "project billable_batch"),
            "projects.batch.prepare",
            "projects.rate.read",
            *_OWN_WORK,
        ),
    ),
    BuiltIn(
        "HR",
        "HR manager",
        ("hr.*", "identity.user.invite", "identity.user.read", "identity.access_role.read", *_OWN_WORK),
    ),
    BuiltIn("Auditor", "Auditor", ("*.read",)),  # reads all, writes nothing (ADR 0010)
)


def built_in_roles() -> list[AccessRole]:
    """Return new rows of all built-in roles, for a new tenant."""
    return [
        AccessRole(
            name=role.name,
            permissions=" ".join(role.patterns),
            scope_rule=AccessRoleScopeRule.TENANT,
            built_in=True,
        )
        for role in BUILT_IN
    ]
