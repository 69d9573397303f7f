"""What HR does when others' facts arrive: it keeps the fact, then brings commissions in line with it."""

from decimal import Decimal

from shared.database.transaction import Transaction
from shared.events.handler import on
from subgraphs.hr import models
from subgraphs.hr.events import DealCloseWon, DealReopened
from subgraphs.hr.models import DealClosing, WonDeal


@on("deal.close.won")
async def accrue(tx: Transaction, event: DealCloseWon) -> None:
    """Accrue commission under the plan valid on the closing date, once per closing (HR-7, HR-8, HR-10)."""
    closing = await _closing(tx, event)
    if closing.won is not None:
        return
    won = WonDeal(
        shares=models.shares_of(event.salesperson_id, event.sales_team),
        amount=event.amount,
        margin=event.margin_amount,
        units=sum((line.quantity for line in event.lines), Decimal(0)),
        closed_on=event.closed_on,
        closed_at=event.closed_at,
    )
    if closing.reopened_on is None:
        await models.expect(tx, closing, won)
        await models.reckon(tx, closing)


@on("deal.reopened")
async def take_back(tx: Transaction, event: DealReopened) -> None:
    """Reverse what an undone closing accrued, or claw it back once approved (HR-9, CRM-3)."""
    closing = await _closing(tx, event)
    if event.previous_status != "WON" or closing.reopened_on is not None:
        return
    closing.reopened_on = await tx.today()
    await models.reckon(tx, closing)


async def _closing(tx: Transaction, event: DealCloseWon | DealReopened) -> DealClosing:
    row = DealClosing(deal_id=event.deal_id, closing_no=event.closing_no)
    return await tx.ensure(row, "deal_id", "closing_no")
