"""One entry for each posting heard, and the posting heard before it: what is lost, doubled or out of order shows."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Mapped

from shared.clock import new_id
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


_ENTER = text("""
    with before as (
        select last from page where account_id = :account for update
    ), turned as (
        insert into page as p (tenant_id, id, account_id, last, version, created_at, updated_at)
        values (:tenant, :page, :account, :number, 1, :now, :now)
        on conflict (tenant_id, account_id) do update set last = excluded.last, version = p.version + 1
    )
    insert into entry (tenant_id, id, account_id, number, after, label, version, created_at, updated_at)
    values (:tenant, :entry, :account, :number, coalesce((select last from before), 0), :label, 1, :now, :now)
""")


@on("account.posted")
async def enter(tx: Transaction, event: AccountPosted) -> None:
    """Write the posting down, in one statement."""
    now = tx.now()
    ids = {"tenant": tx.tenant_id, "page": new_id(now), "entry": new_id(now)}
    facts = {"account": event.account_id, "number": event.number, "label": event.label}
    await tx.session.execute(_ENTER, {**ids, **facts, "now": now})
