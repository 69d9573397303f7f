"""Invitations: a secret for the invited person alone, left as a letter; neither stream nor administrator sees it."""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import text

from shared.clock import new_id
from shared.database.transaction import Transaction
from subgraphs.identity.models import UserAccount

LIFE = timedelta(days=7)
_TOKEN = text("""
    insert into sign_in.one_time_token (hash, purpose, user_id, tenant_id, expires_at)
    values (:hash, 'invitation', :user_id, :tenant_id, :expires_at)
""")
_LETTER = text("""
    insert into sign_in.letter (id, email, purpose, token, created_at) values (:id, :email, 'invitation', :token, :now)
""")


async def leave_invitation(tx: Transaction, account: UserAccount) -> datetime:
    """Leave an invitation for a person whose account was just added; return when it ends."""
    token, expires_at = secrets.token_urlsafe(32), tx.now() + LIFE
    row = {"hash": hashlib.sha256(token.encode()).digest(), "user_id": account.id, "tenant_id": tx.tenant_id}
    await tx.session.execute(text("select set_config('app.email', :email, true)"), {"email": account.email})
    await tx.session.execute(_TOKEN, {**row, "expires_at": expires_at})
    letter = {"id": new_id(tx.now()), "email": account.email, "token": token, "now": tx.now()}
    await tx.session.execute(_LETTER, letter)
    return expires_at
