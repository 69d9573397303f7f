"""The built-in subgraph `gateway`: receipts, answered in the router's own process (contracts.md, "Commands")."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import graphql
import orjson
from graphql import ExecutionResult, GraphQLError, GraphQLSchema, build_ast_schema, parse

from router.errors import ModuleUnavailable, RouterError
from router.gateway.commands.connection import GATEWAY
from router.gateway.commands.reasons import TOO_LATE, UNKNOWN, kept, said, shown
from router.gateway.commands.store import Known, ReceiptStore
from router.gateway.fetching import Caller
from shared.wire.jetstream import PublishFailed
from shared.wire.receipt import QueuedCommand, Settled, Status

SDL = Path(__file__).with_name("receipts.graphql").read_text("utf-8")
_FEDERATION = """
union _Entity = Receipt
scalar _Any
extend type Query { _entities(representations: [_Any!]!): [_Entity]! }
"""
_FIRST = 50  # where null is sent; as SDL has it by default
_MOST = 100
_LOOK_S = 10.0
_execute: Any = graphql.execute  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_subscribe: Any = graphql.subscribe  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


class ReceiptsSubgraph:
    """Answers what the planner sends to subgraph `gateway`."""

    def __init__(self, store: ReceiptStore) -> None:
        """Read receipts from `store`."""
        self._store = store
        self._schema = _schema()

    async def answer(self, body: bytes, caller: Caller) -> bytes:
        """Return the answer of a request, as a subgraph would. Raises ModuleUnavailable where JetStream is away."""
        request = orjson.loads(body)
        found = _execute(
            self._schema,
            parse(request["query"]),
            root_value=_Root(self._store, caller),
            variable_values=request.get("variables"),
        )
        return _written(await found if inspect.isawaitable(found) else found)

    async def events(self, body: bytes, caller: Caller) -> AsyncGenerator[bytes]:
        """Yield the answers of a subscription."""
        request = orjson.loads(body)
        opened = _subscribe(
            self._schema,
            parse(request["query"]),
            root_value=_Root(self._store, caller),
            variable_values=request.get("variables"),
        )
        opened = await opened if inspect.isawaitable(opened) else opened
        if isinstance(opened, ExecutionResult):
            yield _written(opened)
            return
        async for result in cast("AsyncIterator[ExecutionResult]", opened):
            yield _written(result)


class _Root:
    """The resolvers of the root fields; each receipt is its caller's own, or unknown."""

    def __init__(self, store: ReceiptStore, caller: Caller) -> None:
        principal = caller.principal
        self._store = store
        self._tenant = principal.tenant if principal else None
        self._user = principal.user if principal else None
        self._locale = principal.locale if principal else ""

    async def receipt(self, _info: Any, id: str) -> dict[str, Any] | None:
        found = await self._known(id)
        return self._shown(found) if found else None

    async def receipts(
        self, _info: Any, filter: Mapping[str, Any] | None = None, first: int | None = None
    ) -> list[Any]:
        if self._tenant is None or self._user is None:
            return []
        wanted = filter or {}
        statuses, modules = wanted.get("status"), wanted.get("module")
        found = (
            one
            for one in await self._store.all(self._tenant, self._user)
            if (statuses is None or _status(one) in statuses) and (modules is None or one.module in modules)
        )
        return [self._shown(one) for one in islice(found, max(0, min(_FIRST if first is None else first, _MOST)))]

    async def cancelReceipt(self, _info: Any, id: str) -> dict[str, Any]:
        found = await self._known(id)
        if found is None:
            return {"receipt": None, "userErrors": [self._error("NOT_FOUND", UNKNOWN, id=id)]}
        if isinstance(found, QueuedCommand):
            found = await self._store.settle(found, Status.CANCELLED, kept("CANCELLED"))
        if found.status is not Status.CANCELLED:
            error = self._error("ILLEGAL_STATE", TOO_LATE, status=found.status)
            return {"receipt": self._shown(found), "userErrors": [error]}
        return {"receipt": self._shown(found), "userErrors": []}

    async def changes(self, _info: Any, id: str) -> AsyncGenerator[dict[str, Any]]:
        receipt = _uuid(id)
        if receipt is None or self._tenant is None:
            return
        async with self._store.changes(self._tenant, receipt) as news:
            found, told = await self._known(id), None
            while found is not None:
                if found != told:
                    yield {"receiptChanged": self._shown(found)}
                if _is_final(found):
                    return
                told = found
                found = await self._next(found, news)

    async def _next(self, found: Known, news: asyncio.Queue[Settled]) -> Known | None:
        """Return the next news; where none comes for a while, what is known: some may have passed a broken connection by."""
        left_s = (found.expires_at - self._store.now()).total_seconds()
        wait_s = min(_LOOK_S, max(0.05, left_s)) if isinstance(found, QueuedCommand) else _LOOK_S
        try:
            async with asyncio.timeout(wait_s):
                return await news.get()
        except TimeoutError:
            with suppress(PublishFailed):  # the connection is not there again yet
                return await self._known(str(found.receipt))
            return found

    async def _entities(self, _info: Any, representations: list[dict[str, Any]]) -> list[Any]:
        return [await self.receipt(_info, str(one.get("id"))) for one in representations]

    async def _known(self, written: str) -> Known | None:
        receipt = _uuid(written)
        if receipt is None or self._tenant is None or self._user is None:
            return None
        return await self._store.known(self._tenant, self._user, receipt)

    def _error(self, code: str, template: str, **facts: object) -> dict[str, str]:
        return {"code": code, "message": said(template, self._locale, **facts)}

    def _shown(self, found: Known) -> dict[str, Any]:
        return _shown(found, self._locale)


def _schema() -> GraphQLSchema:
    schema = build_ast_schema(parse(SDL + _FEDERATION), assume_valid=True, assume_valid_sdl=True)
    subscription = schema.subscription_type
    assert subscription is not None

    def opened(root: _Root, info: Any, id: str) -> AsyncGenerator[dict[str, Any]]:
        return root.changes(info, id)

    subscription.fields["receiptChanged"].subscribe = opened
    return schema


def _shown(found: Known, locale: str) -> dict[str, Any]:
    settled = found if isinstance(found, Settled) and _is_final(found) else None
    return {
        "__typename": "Receipt",
        "id": str(found.receipt),
        "status": str(_status(found)),
        "module": found.module,
        "command": found.command,
        "userErrors": [shown(one, found.module, locale) for one in settled.reasons] if settled else [],
        "queuedAt": found.queued_at.isoformat(),
        "expiresAt": found.expires_at.isoformat(),
        "settledAt": settled.settled_at.isoformat() if settled else None,
    }


def _status(found: Known) -> Status:
    return found.status if isinstance(found, Settled) and found.status is not Status.RUNNING else Status.QUEUED


def _is_final(found: Known) -> bool:
    return _status(found) is not Status.QUEUED


def _uuid(written: str) -> UUID | None:
    try:
        return UUID(written)
    except ValueError:
        return None


def _written(result: ExecutionResult) -> bytes:
    for error in result.errors or ():
        cause: BaseException | None = error
        while isinstance(cause, GraphQLError) and cause.original_error is not None:
            cause = cause.original_error
        if isinstance(cause, PublishFailed):
            raise ModuleUnavailable(GATEWAY) from cause
        if isinstance(cause, RouterError) or not isinstance(cause, GraphQLError):
            raise cause
    return orjson.dumps(result.formatted)
