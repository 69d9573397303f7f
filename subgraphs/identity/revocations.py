"""Access tokens that end before their ten minutes: told to the gateways as an event, and kept for those that start later."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, text

from shared.database.transaction import Transaction
from shared.wire.token import ACCESS_TOKEN_LIFE
from subgraphs.identity.events import AccessRevoked
from subgraphs.identity.models import Session

KEPT_FOR = ACCESS_TOKEN_LIFE + timedelta(minutes=1)
_KEEP = text("insert into sign_in.revocation values (:tenant_id, :subject_id, :is_final, :at)")


async def revoke(tx: Transaction, subject_id: UUID) -> None:
    """Let no access token of a session or key of this tenant count any more."""
    await _revoke(tx, subject_id, is_final=True)


async def outdate(tx: Transaction, subject_id: UUID) -> None:
    """Let no access token count that a person or session had so far in this tenant (or the tenant's own id: anybody had).

    Sessions go on: a refresh brings what they may now.
    """
    await _revoke(tx, subject_id, is_final=False)


async def end_sessions(tx: Transaction, user_id: UUID) -> None:
    """End all of a person's sessions in the tenant: no refresh goes through any more, and no access token counts."""
    alive = select(Session).where(
        Session.user_id == user_id, Session.ended_at.is_(None), Session.expires_at > tx.now() - KEPT_FOR
    )
    for session in await tx.all(alive.limit(1000)):
        await end_session(tx, session)


async def end_session(tx: Transaction, session: Session) -> None:
    """End one session."""
    session.ended_at = session.ended_at or tx.now()
    await revoke(tx, session.id)


async def _revoke(tx: Transaction, subject_id: UUID, *, is_final: bool) -> None:
    row = {"tenant_id": tx.tenant_id, "subject_id": subject_id, "is_final": is_final, "at": tx.now()}
    await tx.session.execute(_KEEP, row)
    tx.publish(AccessRevoked(subject_id=subject_id, is_final=is_final, at=tx.now()))
