"""Accounts on which clients post; each posting is a row of its own, and a fact."""

from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Mapped

from shared.clock import new_id
from shared.commands.command import command
from shared.database.entity import Entity, default
from shared.database.transaction import Transaction
from shared.errors import NotFound
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


_POST = select(Account).from_statement(
    text("""
        with moved as (
            update account set postings = postings + 1, version = version + 1, updated_at = :now
            where id = :account returning *
        ), noted as (
            insert into posting (tenant_id, id, account_id, number, label, version, created_at, updated_at)
            select tenant_id, :posting, id, postings, :label, 1, :now, :now from moved
        )
        select * from moved
    """)
)


@entity(Account, filters=("name",), sort=("name",))
class AccountType:
    """What one client posts on."""


@command("teller.account.write")
async def open_account(tx: Transaction, name: str) -> Account:
    """Open an account."""
    return tx.add(Account(name=name))


@command("teller.account.write")
async def post(tx: Transaction, account_id: UUID, label: str) -> Account:
    """Post once on an account: in one statement, so that two cores carry the load that the chaos run asks for."""
    given = {"account": account_id, "posting": new_id(tx.now()), "label": label, "now": tx.now()}
    account = (await tx.session.scalars(_POST, given)).one_or_none()
    if account is None:
        raise NotFound("Account", account_id)
    tx.publish(AccountPosted(account_id=account_id, number=account.postings, label=label))
    return account
