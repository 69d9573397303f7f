"""One entry for each posting heard, and the posting heard before it: what is lost, doubled or out of order shows."""

from uuid import UUID

from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.database.transaction import Transaction
from shared.events.handler import on
from shared.wire.envelope import Event


class AccountPosted(Event, type="account.posted"):
    """Teller's fact as Journal reads it."""

    account_id: UUID
    number: int
    label: str


class Page(Entity):
    """The last posting heard of an account."""

    __unique__ = (("account_id",),)

    account_id: Mapped[UUID]
    last: Mapped[int] = default(0)


class Entry(Entity):
    """A posting heard, after posting `after`."""

    account_id: Mapped[UUID]
    number: Mapped[int]
    after: Mapped[int]
    label: Mapped[str]


@on("account.posted")
async def enter(tx: Transaction, event: AccountPosted) -> None:
    """Write the posting down."""
    page = await tx.ensure(Page(account_id=event.account_id), "account_id")
    tx.add(Entry(account_id=event.account_id, number=event.number, after=page.last, label=event.label))
    page.last = event.number
