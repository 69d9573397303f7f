"""The facts Projects publishes, and its own reading of the facts it hears (tier1.md, 7)."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from shared.values import Money, Part
from shared.wire.envelope import Event


class InvoiceLine(Part):
    """A line as every billable fact carries it (tier1.md, 18, "Shapes of JSON fields")."""

    line_key: str
    description: str
    quantity: Decimal
    unit_price: Money
    discount_pct: Decimal = Decimal(0)
    net: Money


class BillableLine(Part):
    """A line of a batch; `sourceKey` names the fact behind it, `time:<id>` or `milestone:<id>`."""

    source_key: str
    description: str
    quantity: Decimal
    unit_price: Money
    amount: Money
    employee_id: UUID | None = None
    task_id: UUID | None = None
    worked_on: date | None = None

    def to_invoice(self) -> InvoiceLine:
        """Return it as invoicing reads it."""
        return InvoiceLine(
            line_key=self.source_key,
            description=self.description,
            quantity=self.quantity,
            unit_price=self.unit_price,
            net=self.amount,
        )


class ProjectCreated(Event, type="project.created", aggregate="Project"):
    """A project was opened."""

    project_id: UUID
    name: str
    code: str
    customer_id: UUID | None
    deal_id: UUID | None
    manager_id: UUID | None
    member_employee_ids: tuple[UUID, ...]
    starts_on: date | None
    due_on: date | None


class ProjectCompleted(Event, type="project.completed", aggregate="Project"):
    """A project is done."""

    project_id: UUID
    customer_id: UUID | None
    completed_on: date
    approved_hours: Decimal


class TaskAssigned(Event, type="task.assigned", aggregate="ProjectTask", key="task_id"):
    """A task has a person; `assigneeUserId` is null where that person has no login, or none that is known here."""

    task_id: UUID
    project_id: UUID
    title: str
    assignee_id: UUID | None
    assignee_user_id: UUID | None
    due_on: date | None


class TaskCompleted(Event, type="task.completed", aggregate="ProjectTask", key="task_id"):
    """A task is done."""

    task_id: UUID
    project_id: UUID
    assignee_id: UUID | None
    completed_at: datetime


class MilestoneReached(Event, type="milestone.reached", aggregate="ProjectMilestone", key="milestone_id"):
    """A milestone was reached."""

    milestone_id: UUID
    project_id: UUID
    customer_id: UUID | None
    title: str
    bill_amount: Money | None
    reached_on: date


class TimeEntrySubmitted(Event, type="time.entry.submitted", aggregate="TimeEntry", key="employee_id"):
    """A week of one person waits for approval; events of one person's weeks keep their order."""

    employee_id: UUID
    week_start: date
    entry_count: int
    hours: Decimal
    approver_employee_id: UUID | None


class TimeEntryApproved(Event, type="time.entry.approved", aggregate="TimeEntry"):
    """Time is approved, with the rate it is billed at (PRJ-5)."""

    time_entry_id: UUID
    project_id: UUID
    task_id: UUID | None
    employee_id: UUID | None
    worked_on: date
    hours: Decimal
    billable: bool
    hourly_rate: Money | None


class BillableBatchReady(Event, type="billable.batch.ready", aggregate="BillableBatch"):
    """Lines to invoice; `sourceKey` is `batch:<id>`."""

    billable_batch_id: UUID
    source_key: str
    origin_key: str | None
    currency: str
    project_id: UUID
    project_name: str
    customer_id: UUID | None
    customer_name: str | None
    period_start: date | None
    period_end: date | None
    total: Money
    lines: tuple[InvoiceLine, ...]


class DealCloseWon(Event, type="deal.close.won"):
    """CRM: a deal was won; `deliveryTemplate` is set where something is to be delivered."""

    deal_id: UUID
    closing_no: int
    title: str
    customer_id: UUID
    customer_name: str | None = None
    amount: Money | None = None
    closed_on: date
    delivery_template: str | None = None


class CustomerNamed(Event, type="customer.created"):
    """CRM: a customer was registered."""

    customer_id: UUID
    name: str


class CustomerRenamed(Event, type="customer.updated"):
    """CRM: what others keep of a customer changed."""

    customer_id: UUID
    name: str


class CustomerMerged(Event, type="customer.merged"):
    """CRM: two customers turned out to be one."""

    survivor_id: UUID
    merged_id: UUID


class InvoiceDrafted(Event, type="invoice.drafted"):
    """Invoicing: a draft was made; one of ours has the `sourceKey` of a batch."""

    source_key: str | None = None


class InvoiceIssued(Event, type="invoice.issued"):
    """Invoicing: an invoice went out; one of ours has the `sourceKey` of a batch."""

    source_key: str | None = None


class InvoiceVoided(Event, type="invoice.voided"):
    """Invoicing: an invoice was voided, or its draft discarded."""

    source_key: str | None = None


class CreditNoteIssued(Event, type="credit_note.issued"):
    """Invoicing: an invoice was credited."""

    invoice_source_key: str | None = None
    reason: str | None = None
    fully_credited: bool = False


class SiteHandedOver(Event, type="site.handed_over"):
    """Construction: a site is the client's now."""

    construction_site_id: UUID
    project_id: UUID | None = None
    handed_over_on: date


class EmployeeHired(Event, type="employee.hired"):
    """HR: someone joined."""

    employee_id: UUID
    full_name: str
    manager_id: UUID | None = None


class EmployeeTerminated(Event, type="employee.terminated"):
    """HR: someone leaves."""

    employee_id: UUID
    user_id: UUID | None = None
    left_on: date | None


class LeaveApproved(Event, type="leave.approved"):
    """HR: someone will be away."""

    leave_request_id: UUID
    employee_id: UUID
    starts_on: date
    ends_on: date
