"""What identity tells of its rows to modules that came after their events."""

from collections.abc import Sequence

from shared.database.transaction import Transaction
from shared.events.state import state_of
from shared.wire.envelope import Event
from subgraphs.identity.events import UserActivated, UserDeactivated
from subgraphs.identity.models import UserAccount, UserAccountStatus


@state_of(UserAccount, UserActivated, UserDeactivated)
async def tell_users(_tx: Transaction, rows: Sequence[UserAccount]) -> list[Event]:
    """Who can sign in, also one who is locked out for now, and who no longer can; nothing of who is only invited."""
    told: list[Event] = []
    for account in rows:
        if account.status is UserAccountStatus.DEACTIVATED:
            told.append(UserDeactivated.of(account))
        elif account.status is not UserAccountStatus.INVITED:
            told.append(UserActivated.of(account))
    return told
