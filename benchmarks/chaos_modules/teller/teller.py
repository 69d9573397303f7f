"""Accounts on which clients post; each posting is a row of its own, and a fact."""

from uuid import UUID

from sqlalchemy.orm import Mapped

from shared.commands.command import command
from shared.database.entity import Entity, default
from shared.database.transaction import Transaction
from shared.graph.entity import entity
from shared.wire.envelope import Event


class AccountPosted(Event, type="account.posted", aggregate="Account"):
    """Something was posted; `number` counts the account's postings from 1."""

    account_id: UUID
    number: int
    label: str


class Account(Entity):
    """What one client posts on."""

    name: Mapped[str]
    postings: Mapped[int] = default(0)


class Posting(Entity):
    """One posting; nothing here forbids a second one with the same label: the kit does."""

    __indexes__ = (("account_id",),)

    account_id: Mapped[UUID]
    number: Mapped[int]
    label: Mapped[str]


@entity(Account, filters=("name",), sort=("name",))
class AccountType:
    """What one client posts on."""


@command("teller.account.write")
async def open_account(tx: Transaction, name: str) -> Account:
    """Open an account."""
    return tx.add(Account(name=name))


@command("teller.account.write")
async def post(tx: Transaction, account_id: UUID, label: str) -> Account:
    """Post once on an account."""
    account = await tx.get(Account, account_id)
    account.postings += 1
    tx.add(Posting(account_id=account_id, number=account.postings, label=label))
    tx.publish(AccountPosted(account_id=account_id, number=account.postings, label=label))
    return account
