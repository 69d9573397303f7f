"""How many commands wait, asked of JetStream at most once a second; what this gateway adds is counted at once."""

import json
from typing import Any
from uuid import UUID

import anyio
import orjson
from nats.errors import Error as NatsError

from router.gateway.commands.connection import Connection
from router.gateway.errors import QueueFull
from router.gateway.settings import Settings
from shared.wire.jetstream import COMMANDS, PublishFailed
from shared.wire.receipt import command_subject

_FRESH_S = 1.0
_NOW_S = 0.05
_TIMEOUT_S = 2.0
_KEPT = 10_000


class Backlog:
    """What waits, by tenant and by module."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        """Ask by `connection`; `settings` has the limits."""
        self._connection = connection
        self._settings = settings
        self._of_tenant: dict[UUID, tuple[float, dict[str, int]]] = {}
        self._of_module: dict[str, tuple[float, int]] = {}

    async def check_room(self, module: str, tenant: UUID, more: int) -> None:
        """Return where so many more commands may wait. Raises QueueFull, or PublishFailed where nobody can be asked."""
        waiting = await self._tenant(tenant)
        if sum(waiting.values()) + more > self._settings.queued_per_tenant:
            raise QueueFull(module)
        if await self._module(module) + more > self._settings.queued_per_module:
            raise QueueFull(module)

    def added(self, module: str, tenant: UUID) -> None:
        """Count a command that this gateway has just put there."""
        if tenant in self._of_tenant:
            waiting = self._of_tenant[tenant][1]
            waiting[module] = waiting.get(module, 0) + 1
        if module in self._of_module:
            asked_at, count = self._of_module[module]
            self._of_module[module] = asked_at, count + 1

    async def waits(self, module: str, tenant: UUID) -> bool:
        """Tell whether commands of a tenant wait for a module: as it is now. Raises PublishFailed."""
        return (await self._tenant(tenant, fresh_s=_NOW_S)).get(module, 0) > 0

    async def _tenant(self, tenant: UUID, *, fresh_s: float = _FRESH_S) -> dict[str, int]:
        asked_at, waiting = self._of_tenant.get(tenant, (float("-inf"), {}))
        if anyio.current_time() - asked_at < fresh_s:
            return waiting
        if len(self._of_tenant) >= _KEPT:
            self._of_tenant.clear()
        wanted = {"subjects_filter": command_subject("*", tenant, "*")}
        state: dict[str, Any] = (await self._ask(f"STREAM.INFO.{COMMANDS}", wanted))["state"]
        subjects: dict[str, int] = state.get("subjects") or {}
        waiting = dict[str, int]()
        for subject in subjects:
            module = subject.split(".")[1]
            waiting[module] = waiting.get(module, 0) + 1
        self._of_tenant[tenant] = anyio.current_time(), waiting
        return waiting

    async def _module(self, module: str) -> int:
        asked_at, count = self._of_module.get(module, (float("-inf"), 0))
        if anyio.current_time() - asked_at < _FRESH_S:
            return count
        state = await self._ask(f"CONSUMER.INFO.{COMMANDS}.{module}", {})
        count = int(state["num_pending"]) + int(state["num_ack_pending"])
        self._of_module[module] = anyio.current_time(), count
        return count

    async def _ask(self, call: str, wanted: dict[str, str]) -> dict[str, Any]:
        try:
            body = json.dumps(wanted).encode() if wanted else b""
            reply = await self._connection.client.request(f"$JS.API.{call}", body, timeout=_TIMEOUT_S)
        except (NatsError, OSError) as error:
            raise PublishFailed(str(error) or type(error).__name__) from error
        answer: dict[str, Any] = orjson.loads(reply.data)
        if "error" in answer:
            raise PublishFailed(answer["error"].get("description"))
        return answer
