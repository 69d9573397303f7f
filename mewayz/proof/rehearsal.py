"""Commands that are tried and taken back: each probe finds the same rows."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlalchemy import text

from shared.database.transaction import Database, Transaction
from shared.wire.envelope import Cause
from shared.wire.principal import Principal


class RehearsedDatabase(Database):
    """A database whose transactions do all they would, constraints and events too, and are then rolled back."""

    is_rehearsal = False

    @asynccontextmanager
    async def transaction(
        self, principal: Principal, cause: Cause | None = None, *, timeout_s: float = 5.0
    ) -> AsyncGenerator[Transaction]:
        """Open a transaction as Database does; while `is_rehearsal` nothing of it stays."""
        async with super().transaction(principal, cause, timeout_s=timeout_s) as tx:
            yield tx
            if not self.is_rehearsal:
                return
            await tx.write()
            await tx.session.execute(text("set constraints all immediate"))
            tx.session.expunge_all()  # the answer still reads the rows
            await tx.session.rollback()
