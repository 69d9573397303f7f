"""What Invoicing knows of deals: which closings there were, and which of them were undone (INV-11)."""

from uuid import UUID

from sqlalchemy import or_
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.database.transaction import Transaction
from subgraphs.invoicing.models.invoice import Invoice, InvoiceStatus


class DealClosing(Entity):
    """One closing of a deal. An undone one stays as a tombstone: however late it comes again, nothing is drafted."""

    __unique__ = (("deal_id", "closing_no"),)

    deal_id: Mapped[UUID]
    closing_no: Mapped[int]
    reopened: Mapped[bool] = default(False)

    @property
    def key(self) -> str:
        """The closing's name as source and origin of documents (CRM-3)."""
        return f"deal:{self.deal_id}:{self.closing_no}"


async def lock_closing(tx: Transaction, deal_id: UUID, closing_no: int) -> DealClosing:
    """Return a closing, made when it is first heard of, locked until the end."""
    return await tx.ensure(DealClosing(deal_id=deal_id, closing_no=closing_no), "deal_id", "closing_no")


def split_closing(origin_key: str | None) -> tuple[UUID, int] | None:
    """Return deal and closing number of `deal:<id>:<closingNo>`; None for any other origin."""
    kind, _, rest = (origin_key or "").partition(":")
    deal, _, number = rest.partition(":")
    try:
        return (UUID(deal), int(number)) if kind == "deal" else None
    except ValueError:
        return None


async def is_billed(tx: Transaction, closing: DealClosing) -> bool:
    """Tell whether a closing has had its draft, or another source of the same origin bills it (INV-8, INV-11)."""
    deal = f"deal:{closing.deal_id}"
    alive = Invoice.status != InvoiceStatus.VOIDED
    mine = Invoice.source_key == closing.key
    other = alive & Invoice.origin_key.in_((closing.key, deal))
    return await tx.first_where(Invoice, or_(mine, other)) is not None
