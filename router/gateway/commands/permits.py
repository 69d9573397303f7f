"""Whether a command that waited may be executed now, and with which rights: modules ask, the gateway decides."""

import math
from dataclasses import dataclass, field
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

log = structlog.get_logger()


@dataclass(slots=True)
class _Standing:
    """What identity said of a caller, or why it could not."""

    turn: anyio.Lock = field(default_factory=anyio.Lock)
    until: float = -math.inf
    answer: Principal | RouterError | None = None


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
        self._known: dict[tuple[UUID | None, ...], _Standing] = {}

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
        body = await self._store.waiting(module, wanted.tenant, wanted.receipt)
        if body is None:
            return Permit()
        command = msgspec.json.decode(body, type=QueuedCommand)
        if self._clock.now() >= command.expires_at:
            settled = await self._store.settle(command, Status.EXPIRED, expired(command))
            if settled.status is not Status.RUNNING:
                return Permit(status=settled.status)
        sent = self._sender(command)
        principal = await self._caller_now(sent) if sent else None
        may_begin = principal is not None and principal.is_entitled(module)
        if may_begin:
            settled = await self._store.settle(command, Status.RUNNING)
        else:
            settled = await self._store.settle(command, Status.REJECTED, kept("FORBIDDEN"))
        if settled.status is not Status.RUNNING or sent is None:
            return Permit(status=settled.status)
        # Who claimed it may have ended when it was executed: the next gives that answer again, and begins nothing without rights.
        granted = principal.permissions if principal and may_begin else ()
        now = msgspec.structs.replace(principal or sent, permissions=granted, address=sent.address)
        bearer = self._signer.bearer(now, module=module, body=body, seconds=_STANDING_S)
        return Permit(token=bearer.removeprefix("Bearer "))

    def _sender(self, command: QueuedCommand) -> Principal | None:
        try:
            return self._signer.verify_actor(command)
        except Unauthenticated as error:
            log.error("command_forged", module=command.module, receipt=str(command.receipt), error=str(error))
            return None

    async def _caller_now(self, sent: Principal) -> Principal | None:
        """Return the caller with the rights that identity gives now, None where it gives none. Raises RouterError."""
        whose = sent.tenant, sent.user, sent.session
        if len(self._known) >= _KEPT:
            self._known.clear()
        known, came_at = self._known.setdefault(whose, _Standing()), anyio.current_time()
        async with known.turn:  # the commands of one caller come many at a time, and one asks for all
            if known.until < came_at:
                await self._ask(sent, known)
        if isinstance(known.answer, RouterError):
            raise known.answer
        return known.answer

    async def _ask(self, sent: Principal, known: _Standing) -> None:
        began = anyio.current_time()
        try:
            known.answer, known.until = await self._standing(sent), began + _FRESH_S
        except RouterError as error:
            known.answer, known.until = error, anyio.current_time() + _FRESH_S

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
