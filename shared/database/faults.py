"""Which faults lie in the database's state of the moment, and not in what was asked of it (events.md, B5)."""

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolExhausted

# The driver's own state is what it calls internal: after a connection that broke at the wrong moment.
_AWAY = (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InternalClientError, OSError)
_CONCURRENCY = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_NO_ROOM = (asyncpg.DiskFullError, asyncpg.TooManyConnectionsError)


def is_transient(error: BaseException) -> bool:
    """Tell a fault that passes by itself: no connection, a disk that is full, two transactions in each other's way."""
    if isinstance(error, OSError | InterfaceError | PoolExhausted | asyncpg.InterfaceError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(_cause(error), (*_AWAY, *_CONCURRENCY, *_NO_ROOM)) and not is_timeout(error)


def is_timeout(error: BaseException) -> bool:
    """Tell a statement that took longer than it may: the database was busy, or the statement is hopeless."""
    return isinstance(_cause(error), asyncpg.QueryCanceledError)


def is_consequence(error: BaseException) -> bool:
    """Tell a statement that came after another of its transaction had failed: the first one's error says why."""
    return isinstance(_cause(error), asyncpg.InFailedSQLTransactionError)


def _cause(error: BaseException) -> BaseException | None:
    """Return what the driver raised."""
    if isinstance(error, DBAPIError):
        return error.orig.__cause__ if error.orig else None
    return error
