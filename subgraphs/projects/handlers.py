"""What Projects does when others' facts arrive."""

from datetime import date
from uuid import UUID

from sqlalchemy import delete, select

from shared.database.transaction import Transaction
from shared.errors import Refusal
from shared.events.handler import on
from subgraphs.projects.events import (
    CreditNoteIssued,
    CustomerMerged,
    CustomerNamed,
    CustomerRenamed,
    DealCloseWon,
    EmployeeHired,
    EmployeeTerminated,
    InvoiceDrafted,
    InvoiceIssued,
    InvoiceVoided,
    LeaveApproved,
    SiteHandedOver,
)
from subgraphs.projects.models import (
    BillableBatchStatus,
    Project,
    ProjectBilling,
    ProjectNotice,
    ProjectStatus,
    ProjectTask,
    ProjectTemplate,
    office,
    people,
)
from subgraphs.projects.models.tasks import OVER


@on("deal.close.won")
async def open_delivery(tx: Transaction, event: DealCloseWon) -> None:
    """Open a project for a deal that is to be delivered, once for each closing, planned by its template.

    One without a template of that name is a fixed price for the deal's amount, to be planned by hand.
    """
    if event.delivery_template is None:
        return
    key = f"deal:{event.deal_id}:{event.closing_no}"
    code = await office.next_code(tx)  # takes the lock first: two copies of the fact go one by one
    if await tx.first_where(Project, Project.origin_key == key):
        return
    template = await tx.first_where(ProjectTemplate, ProjectTemplate.name == event.delivery_template)
    project = Project(
        name=event.title,
        code=code,
        billing=template.billing if template else ProjectBilling.FIXED_PRICE,
        customer_id=event.customer_id,
        customer_name=event.customer_name,
        deal_id=event.deal_id,
        starts_on=event.closed_on,
        contract_value=event.amount,
        origin_key=key,
        last_activity_at=tx.now(),
    )
    await office.open_project(tx, project, template)


@on("customer.created", keeps=True)
async def know_customer(tx: Transaction, event: CustomerNamed) -> None:
    """Keep the customer's name for batches."""
    await people.name_customer(tx, event.customer_id, event.name)


@on("customer.updated", keeps=True)
async def rename_customer(tx: Transaction, event: CustomerRenamed) -> None:
    """Keep the customer's name for batches."""
    await people.name_customer(tx, event.customer_id, event.name)


@on("customer.merged", keeps=True)
async def follow_merge(tx: Transaction, event: CustomerMerged) -> None:
    """Show both customers' projects under the survivor."""
    await people.merge_customer(tx, event.merged_id, event.survivor_id)


@on("invoice.drafted")
async def mark_sent(tx: Transaction, event: InvoiceDrafted) -> None:
    """Note that invoicing has the batch."""
    if batch := await office.batch_of(tx, event.source_key):
        batch.mark_sent()


@on("invoice.issued")
async def mark_billed(tx: Transaction, event: InvoiceIssued) -> None:
    """Mark the batch and its time entries as billed."""
    if batch := await office.batch_of(tx, event.source_key):
        batch.mark_invoiced(*await office.contents_of(tx, batch))


@on("invoice.voided")
async def free_voided(tx: Transaction, event: InvoiceVoided) -> None:
    """Put the batch's time entries back to approved."""
    await _free(tx, event.source_key)


@on("credit_note.issued")
async def free_credited(tx: Transaction, event: CreditNoteIssued) -> None:
    """Free the batch's time for billing again when the invoice is cancelled in full."""
    if event.fully_credited and event.reason == "CANCELLATION":
        await _free(tx, event.invoice_source_key)


async def _free(tx: Transaction, source_key: str | None) -> None:
    batch = await office.batch_of(tx, source_key)
    if batch is not None and batch.status is not BillableBatchStatus.CANCELLED:
        await office.cancel_batch(tx, batch)


@on("employee.hired", keeps=True)
async def know_employee(tx: Transaction, event: EmployeeHired) -> None:
    """Keep who works here, and who approves their time."""
    person = await people.employee(tx, event.employee_id)
    person.full_name, person.manager_id, person.left_on = event.full_name, event.manager_id, None


@on("employee.terminated", keeps=True)
async def list_open_tasks(tx: Transaction, event: EmployeeTerminated) -> None:
    """List the leaver's open tasks for reassignment; another leaving date or none takes the place of the first (HR-15)."""
    person = await people.employee(tx, event.employee_id)
    person.left_on, person.user_id = event.left_on, event.user_id or person.user_id
    key = f"leaver:{event.employee_id}"
    await tx.session.execute(delete(ProjectNotice).where(ProjectNotice.source_key.startswith(f"{key}:")))
    if event.left_on is not None:
        await _notice(tx, event.employee_id, f"{person.full_name or 'Its person'} leaves on {event.left_on}", key, None)


@on("leave.approved")
async def warn_of_absence(tx: Transaction, event: LeaveApproved) -> None:
    """Warn the project manager about tasks due in the absence."""
    person = await people.employee(tx, event.employee_id)
    text = f"{person.full_name or 'Its person'} is away from {event.starts_on} to {event.ends_on}"
    await _notice(tx, event.employee_id, text, f"leave:{event.leave_request_id}", (event.starts_on, event.ends_on))


@on("site.handed_over")
async def complete_handed_over(tx: Transaction, event: SiteHandedOver) -> None:
    """Complete the linked project, with its open tasks; where that is not possible, its manager is told why."""
    project = await tx.first_where(Project, Project.id == event.project_id, lock=True)
    if project is None or project.status is ProjectStatus.COMPLETED:
        return
    try:
        await office.complete_project(tx, project, event.handed_over_on, force=True)
    except Refusal as refusal:
        key = f"site:{event.construction_site_id}"
        if await tx.first_where(ProjectNotice, ProjectNotice.source_key == key) is None:
            text = f"The site was handed over on {event.handed_over_on}. {refusal.message}"
            tx.add(ProjectNotice(project_id=project.id, text=text, source_key=key))


async def _notice(tx: Transaction, employee_id: UUID, why: str, key: str, due: tuple[date, date] | None) -> None:
    """Note once on the projects of a person's open tasks (those due in a span) that someone should look at them."""
    mine = select(ProjectTask).where(ProjectTask.assignee_id == employee_id, ProjectTask.status.not_in(OVER))
    if due is not None:
        mine = mine.where(ProjectTask.due_on >= due[0], ProjectTask.due_on <= due[1])
    for task in await tx.all(mine.order_by(ProjectTask.id).limit(500)):
        source_key = f"{key}:{task.id}"
        if await tx.first_where(ProjectNotice, ProjectNotice.source_key == source_key):
            continue
        tx.add(
            ProjectNotice(
                project_id=task.project_id,
                task_id=task.id,
                employee_id=task.assignee_id,
                text=f"{task.title}: {why}",
                source_key=source_key,
            )
        )
