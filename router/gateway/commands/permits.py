"""Whether a command that waited may be executed now, and with which rights: modules ask, the gateway decides."""

import asyncio
from uuid import UUID

import anyio
import msgspec
import structlog
from anyio.abc import TaskGroup
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from router.errors import BadAnswer, RouterError
from router.gateway.commands.reasons import kept
from router.gateway.commands.store import ReceiptStore, expired
from router.gateway.fetching import Caller, Fetcher
from router.gateway.observe.telemetry import trace_of
from router.gateway.served import Destination
from router.gateway.signing import Signer
from shared.clock import Clock
from shared.errors import Unauthenticated
from shared.wire.jetstream import PublishFailed
from shared.wire.principal import Principal
from shared.wire.receipt import Permit, PermitWanted, QueuedCommand, Status, permit_subject

_WORKERS = "gateway"
_STANDING_S = 5.0
_FRESH_S = 1.0  # a queue of one caller's commands asks identity once a second
_KEPT = 1000
_SETTLED = frozenset(Status) - {Status.QUEUED, Status.RUNNING}

log = structlog.get_logger()


class Permits:
    """Answers modules. Without an answer (identity is down, JetStream is away) they ask again."""

    def __init__(
        self, store: ReceiptStore, fetcher: Fetcher, signer: Signer, *, identity: Destination, clock: Clock
    ) -> None:
        """Ask `identity` what a caller may now."""
        self._store = store
        self._fetcher = fetcher
        self._signer = signer
        self._identity = identity
        self._clock = clock
        self._known: dict[tuple[UUID | None, ...], tuple[float, Principal | None]] = {}

    async def listen(self, client: Client, tasks: TaskGroup) -> None:
        """Answer from now on, several at a time; of several gateways one answers."""

        async def heard(message: Msg) -> None:
            tasks.start_soon(self._answer, message)

        await client.subscribe(permit_subject("*"), queue=_WORKERS, cb=heard)  # pyright: ignore[reportUnknownMemberType]

    async def _answer(self, message: Msg) -> None:
        module = message.subject.rpartition(".")[2]
        try:
            wanted = msgspec.json.decode(message.data, type=PermitWanted)
            permit = await self._decide(module, wanted)
            await message.respond(msgspec.json.encode(permit))
        except (RouterError, PublishFailed, NatsError, msgspec.MsgspecError) as error:
            log.warning("permit_not_given", module=module, error=str(error) or type(error).__name__)
        except Exception:
            log.exception("permit_failed", module=module)

    async def _decide(self, module: str, wanted: PermitWanted) -> Permit:
        body, result = await asyncio.gather(
            self._store.waiting(module, wanted.tenant, wanted.receipt),
            self._store.result(wanted.tenant, wanted.receipt),
        )
        if body is None:
            return Permit()
        command = msgspec.json.decode(body, type=QueuedCommand)
        if result is not None and result.status in _SETTLED:
            return Permit(status=result.status)
        if result is None and self._clock.now() >= command.expires_at:
            return Permit(status=(await self._store.settle(command, Status.EXPIRED, expired(command))).status)
        principal = await self._caller_now(command)
        if principal is None:
            return Permit(status=(await self._store.settle(command, Status.REJECTED, kept("FORBIDDEN"))).status)
        if result is None:
            result = await self._store.settle(command, Status.RUNNING)
        if result.status is not Status.RUNNING:
            return Permit(status=result.status)  # its sender was faster, and took it back
        bearer = self._signer.bearer(principal, module=module, body=body, seconds=_STANDING_S)
        return Permit(token=bearer.removeprefix("Bearer "))

    async def _caller_now(self, command: QueuedCommand) -> Principal | None:
        """Return the caller with the rights that identity gives now, None where it gives none. Raises RouterError."""
        try:
            sent = self._signer.verify_actor(command)
        except Unauthenticated as error:
            log.error("command_forged", module=command.module, receipt=str(command.receipt), error=str(error))
            return None
        whose, now = (sent.tenant, sent.user, sent.session), anyio.current_time()
        asked_at, known = self._known.get(whose, (float("-inf"), None))
        if now - asked_at > _FRESH_S:
            known = await self._standing(sent)
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[whose] = now, known
        return known

    async def _standing(self, sent: Principal) -> Principal | None:
        reply = await self._fetcher.exchange(
            self._identity,
            module="identity",
            target="/auth/standing",
            headers=(("content-type", "application/json"),),
            body=b"{}",
            seconds=_STANDING_S,
            caller=Caller(sent, trace_of(None), may_repeat=True),
        )
        if reply.status == 403:
            return None
        if reply.status != 200:
            raise BadAnswer("identity", f"status {reply.status} for a caller's rights")
        return msgspec.json.decode(reply.body, type=Principal)
