"""Access tokens that no longer count though their time isn't over: heard as events, asked for when events may be missing."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

import anyio
import msgspec
import structlog
from anyio.abc import TaskGroup
from nats.aio.client import Client
from nats.aio.msg import Msg

from router.gateway.access.hearing import Hearing, Line
from router.gateway.settings import Settings
from shared.clock import Clock
from shared.wire.envelope import Envelope
from shared.wire.principal import Principal
from shared.wire.revocation import REVOKED_EVENT, Revocation
from shared.wire.token import ACCESS_TOKEN_LIFE

_SUBJECT = f"evt.*.{REVOKED_EVENT}"
_KEPT_S = ACCESS_TOKEN_LIFE.total_seconds() + 60

Subject = tuple[UUID | None, UUID | None]
FetchRevocations = Callable[[], Awaitable[list[Revocation]]]

log = structlog.get_logger()
_decode = msgspec.json.Decoder(Envelope).decode


class _Data(msgspec.Struct, frozen=True, rename="camel"):
    subject_id: UUID
    is_final: bool
    at: datetime


class Revocations:
    """What is revoked, by tenant and subject, for as long as an access token lives."""

    def __init__(self, fetch: FetchRevocations, *, line: Line, clock: Clock, settings: Settings) -> None:
        """Start with nothing; `fetch` asks identity for all it knows. Raises RouterError where it can't be asked."""
        self._fetch = fetch
        self._clock = clock
        self._hearing = Hearing(self._ask, what="revocations", line=line, settings=settings)
        self._ended: dict[Subject, float] = {}
        self._outdated: dict[Subject, float] = {}
        self._changed = anyio.Event()

    @property
    def is_current(self) -> bool:
        """Whether all there was is known, and whatever comes will be heard."""
        return self._hearing.is_current

    def refuses(self, principal: Principal, issued_at: float) -> bool:
        """Tell whether a token of `principal`, issued at this time (seconds since the epoch), counts no more."""
        tenant = principal.tenant
        if self._ended and ((tenant, principal.session) in self._ended or (tenant, principal.user) in self._ended):
            return True
        return bool(self._outdated) and issued_at < max(
            self._outdated.get((tenant, subject), 0.0) for subject in (tenant, principal.user, principal.session)
        )

    async def until_refused(self, principal: Principal, issued_at: float) -> None:
        """Return when a token counts no more; wait for ever for one that is never revoked."""
        while not self.refuses(principal, issued_at):
            await self._changed.wait()

    async def listen(self, client: Client, _tasks: TaskGroup) -> None:
        """Hear events from now on."""

        async def heard(message: Msg) -> None:
            try:
                envelope = _decode(message.data)
                data = msgspec.convert(envelope.data, _Data)
            except msgspec.MsgspecError as error:
                log.error("revocation_not_understood", error=str(error))
                return
            tenant = envelope.tenant_id
            self._take([Revocation(tenant_id=tenant, subject_id=data.subject_id, is_final=data.is_final, at=data.at)])

        await client.subscribe(_SUBJECT, cb=heard)  # pyright: ignore[reportUnknownMemberType]

    async def follow(self) -> None:
        """Keep up with identity until cancelled."""
        await self._hearing.follow()

    async def _ask(self) -> None:
        self._take(await self._fetch())

    def _take(self, revocations: list[Revocation]) -> None:
        oldest = self._clock.now().timestamp() - _KEPT_S
        for kept in (self._ended, self._outdated):
            for subject in [subject for subject, at in kept.items() if at < oldest]:
                del kept[subject]
        for one in revocations:
            kept, subject = self._ended if one.is_final else self._outdated, (one.tenant_id, one.subject_id)
            kept[subject] = max(one.at.timestamp(), kept.get(subject, 0.0))
        changed, self._changed = self._changed, anyio.Event()
        changed.set()
