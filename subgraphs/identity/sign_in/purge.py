"""What sign-in need not remember any longer: without this, all that was ever signed in by would stay."""

from datetime import timedelta

from sqlalchemy import delete, text

from shared.database.transaction import Transaction
from shared.events.schedule import cron, every
from subgraphs.identity.invitations import LIFE as LONGEST_LIFE
from subgraphs.identity.models import Session

_SHOWN_FOR = timedelta(days=30)  # a session that is over, in the list of sessions
_AT_ONCE = 20_000  # of each table, an hour: what has piled up goes bit by bit, and sign-ins don't wait for it

_OVER = tuple(
    map(
        text,
        (
            # With a session its refresh tokens go, and a key of access tokens when none that it signed is good any more.
            """
            delete from sign_in.refresh_family where ctid = any(
                array(select ctid from sign_in.refresh_family where expires_at < :now limit :most))
            """,
            """
            delete from sign_in.one_time_token where ctid = any(
                array(select ctid from sign_in.one_time_token where expires_at < :now limit :most))
            """,
            """
            delete from sign_in.letter where ctid = any(
                array(select ctid from sign_in.letter where created_at < :worthless limit :most))
            """,
            """
            delete from sign_in.oidc_flow where ctid = any(
                array(select ctid from sign_in.oidc_flow where expires_at < :now limit :most))
            """,
            "delete from sign_in.signing_key where valid_to < :now",
        ),
    )
)


@every("1h", platform=True, role="identity_login")
async def forget_sign_ins(tx: Transaction) -> None:
    """Forget sessions, one-time tokens, letters, sign-ins at providers and keys whose time is over."""
    now = tx.now()
    for statement in _OVER:
        await tx.session.execute(statement, {"now": now, "worthless": now - LONGEST_LIFE, "most": _AT_ONCE})


@cron("30 4 * * *", everywhere=True)
async def forget_sessions(tx: Transaction) -> None:
    """Take sessions out of a tenant's list a month after they could be continued."""
    await tx.session.execute(delete(Session).where(Session.expires_at < tx.now() - _SHOWN_FOR))
