"""Privacy's types and commands, and its card."""

from uuid import UUID

from sqlalchemy import func, select

from shared.commands.command import command
from shared.database.transaction import Transaction
from shared.graph.entity import card, entity, field_of_row
from shared.module import discover
from shared.values import Part
from subgraphs.privacy import models
from subgraphs.privacy.models import PrivacyRequestKind, PrivacyRequestStatus

_READ = "privacy.privacy_request.read"
_OPEN = (PrivacyRequestStatus.RECEIVED, PrivacyRequestStatus.VERIFIED, PrivacyRequestStatus.RUNNING)


@entity(models.PrivacyRequest, filters=("status", "kind", "subject_email", "due_on"), sort=("created_at", "due_on"))
class PrivacyRequest:
    """A person asks to see, or to erase, what the company holds of them."""

    @field_of_row
    @staticmethod
    async def awaited_modules(request: models.PrivacyRequest, tx: Transaction) -> list[str]:
        """The modules that have not answered yet; one that is down answers when it is back."""
        waiting = (
            models.ErasureReceipt.privacy_request_id == request.id,
            models.ErasureReceipt.round < request.round,
        )
        rows = await tx.all(select(models.ErasureReceipt).where(*waiting).order_by(models.ErasureReceipt.module_slug))
        return [row.module_slug for row in rows]


@entity(models.ErasureReceipt, filters=("module_slug", "privacy_request_id"), sort=("module_slug", "created_at"))
class ErasureReceipt:
    """What one module answered."""


class PrivacyDashboard(Part):
    """Requests at a glance."""

    open: int
    due_within_a_week: int


@card(_READ)
async def privacy_card(tx: Transaction) -> PrivacyDashboard:
    """How many requests are open, and how many of them are near their legal deadline."""
    model = models.PrivacyRequest
    is_open = model.status.in_(_OPEN)
    near = func.count().filter(model.due_on - await tx.today() <= 7)
    count, urgent = (await tx.session.execute(select(func.count(model.id), near).where(is_open))).one()
    return PrivacyDashboard(open=count, due_within_a_week=urgent)


@command("privacy.privacy_request.write")
async def open_privacy_request(
    tx: Transaction, kind: PrivacyRequestKind, subject_email: str, reference: str | None = None
) -> models.PrivacyRequest:
    """Note that a person asks for something; it is to be answered within a month."""
    request = models.PrivacyRequest(
        reference=reference or f"PR-{tx.now():%Y%m%d-%H%M%S-%f}", kind=kind, subject_email=subject_email
    )
    request.receive(tx.now())
    return tx.add(request)


@command("privacy.privacy_request.write")
async def verify_subject(
    tx: Transaction, privacy_request_id: UUID, subject_ids: tuple[UUID, ...] = ()
) -> models.PrivacyRequest:
    """Note that the person is who they say, and further ids they are known by: as a customer, a contact, an employee, a user."""
    request = await tx.get(models.PrivacyRequest, privacy_request_id)
    request.verify(subject_ids)
    return request


@command("privacy.privacy_request.execute")
async def execute_erasure(tx: Transaction, privacy_request_id: UUID) -> models.PrivacyRequest:
    """Let every module erase the person; `awaitedModules` tells which have yet to answer."""
    request = await tx.get(models.PrivacyRequest, privacy_request_id)
    tx.publish(request.run())
    for slug in discover():
        tx.add(models.ErasureReceipt(module_slug=slug, privacy_request_id=request.id))
    return request


@command("privacy.privacy_request.write")
async def refuse_privacy_request(tx: Transaction, privacy_request_id: UUID, reason: str) -> models.PrivacyRequest:
    """Turn a request down."""
    request = await tx.get(models.PrivacyRequest, privacy_request_id)
    request.refuse(reason)
    return request
