"""Erasing a person who works here: they can't sign in to the tenant any more."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import or_, select

from shared.database.personal import Person, erases
from shared.database.transaction import Transaction
from subgraphs.identity import people
from subgraphs.identity.models import UserAccount, UserAccountStatus
from subgraphs.identity.models.people import LastOwner


@erases
async def end_access(tx: Transaction, person: Person) -> Mapping[UUID, str]:
    """End a person's time in the tenant; the last owner's account stays until there is another."""
    theirs = or_(UserAccount.id.in_(person.ids), UserAccount.email.in_(person.emails))
    kept: dict[UUID, str] = {}
    for account in await tx.all(select(UserAccount).where(theirs).with_for_update()):
        if account.status is UserAccountStatus.DEACTIVATED:
            continue
        try:
            await people.deactivate(tx, account)
        except LastOwner:
            kept[account.id] = "The last owner of a company stays until there is another."
    return kept
