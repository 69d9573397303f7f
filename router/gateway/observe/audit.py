"""What the gateway refuses, and who it lets in, as facts for the audit log: counted, so that a flood fills no disk.

Of like refusals the first is told within a second, the others of its minute as one more fact with their number. Of a
hundred different ones in a minute each is told by itself; what comes on top is counted by tenant and code alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import anyio
import jwt
import msgspec
import structlog

from router.errors import BadRequest, RouterError
from router.gateway.commands.connection import GATEWAY, Connection
from router.gateway.protocol.asgi import Request, Response
from router.gateway.protocol.http import status_of
from shared.clock import Clock, new_id
from shared.wire.envelope import Envelope
from shared.wire.jetstream import Message, PublishFailed, publish
from shared.wire.occasion import BEGUN, PLATFORM, REFUSED
from shared.wire.principal import Principal

_REFUSED = range(400, 500)  # what comes above is our own fault, or a module's
_DENIED = ("FORBIDDEN", "NOT_ENTITLED", "UNAUTHENTICATED")
_BEGINS = ("/auth/login", "/auth/mfa", "/auth/switch", "/auth/invitation")
_LOOK_S = 1.0
_WINDOW_S = 60.0
_MOST = 100
_MOST_COUNTED = 1_000
_LONGEST = 200

log = structlog.get_logger()


class Occasion(msgspec.Struct, frozen=True):
    """What is counted as one: the same thing of the same caller at the same place."""

    kind: str
    code: str
    target: str = ""
    tenant: UUID = PLATFORM
    user: UUID | None = None
    address: str | None = None
    agent: str | None = None

    def bare(self) -> "Occasion":
        """Return what is left where too many different ones come."""
        return Occasion(self.kind, self.code, tenant=self.tenant)


@dataclass(slots=True)
class _Count:
    first: datetime
    last: datetime
    open: int = 0  # not told yet
    told_at: float = float("-inf")
    fact: Message | None = None  # sent and not acknowledged: sent again as it is, so that who has it knows it


class AuditTrail:
    """Collects refusals and sign-ins; `follow` tells them. Without a connection (a plain router) nothing is kept."""

    def __init__(self, connection: Connection | None, clock: Clock) -> None:
        """Tell by `connection`."""
        self._connection = connection
        self._clock = clock
        self._counts: dict[Occasion, _Count] = {}

    def refused(self, error: RouterError, request: Request) -> None:
        """Note that a request was refused; one that failed, or that nobody could answer, was not."""
        if status_of(error) in _REFUSED:
            self._note(_occasion(REFUSED, error.code, request, request.principal))

    def refused_on(self, target: str, error: RouterError, principal: Principal | None) -> None:
        """Note the same of an operation on a connection that stays."""
        if status_of(error) in _REFUSED and principal is not None:
            tenant = principal.tenant or PLATFORM
            self._note(Occasion(REFUSED, error.code, target, tenant, principal.user, principal.address))

    def denied(
        self, errors: Iterable[Mapping[str, Any]], principal: Principal | None, target: str = "/graphql"
    ) -> None:
        """Note what a module denied within an answer."""
        for code in {cast("dict[str, Any]", error.get("extensions") or {}).get("code") for error in errors}:
            if code in _DENIED and principal is not None:
                kept = Occasion(REFUSED, code, target, principal.tenant or PLATFORM, principal.user, principal.address)
                self._note(kept)

    def turned_away(self, code: str, target: str, address: str | None, principal: Principal | None = None) -> None:
        """Note that a connection was refused, or ended for what its client did; of whom, where that was known by then."""
        tenant, user = (principal.tenant or PLATFORM, principal.user) if principal else (PLATFORM, None)
        self._note(Occasion(REFUSED, code, target, tenant, user, address))

    def signed(self, request: Request, response: Response) -> None:
        """Note a sign-in, or that one was refused."""
        if response.status in _REFUSED:
            self._note(_occasion(REFUSED, _code(response.body), request, None))
        elif response.status == 200 and request.path in _BEGINS and (who := _who(response.body)):
            self._note(_occasion(BEGUN, "OK", request, who))

    async def follow(self) -> None:
        """Tell what was noted, until cancelled; while NATS is away it is kept and goes on being counted."""
        if self._connection is None:
            return
        while True:
            await anyio.sleep(_LOOK_S)
            await self._tell(anyio.current_time())

    def _note(self, occasion: Occasion) -> None:
        if self._connection is None:
            return
        if occasion not in self._counts and len(self._counts) >= _MOST:
            occasion = occasion.bare()
            if occasion not in self._counts and len(self._counts) >= _MOST_COUNTED:
                occasion = Occasion(occasion.kind, occasion.code)
        now = self._clock.now()
        count = self._counts.setdefault(occasion, _Count(now, now))
        count.first = count.first if count.open else now
        count.last, count.open = now, count.open + 1

    async def _tell(self, now: float) -> None:
        assert self._connection is not None
        for occasion, count in list(self._counts.items()):
            if now - count.told_at < _WINDOW_S:
                continue
            if not count.open and count.fact is None:
                del self._counts[occasion]
                continue
            try:
                client = self._connection.client
                if count.fact is None:
                    count.fact, count.open = self._fact(occasion, count), 0
                await publish(client, count.fact)
                count.fact, count.told_at = None, now
            except PublishFailed as error:
                log.info("audit_waits", error=str(error))
                return

    def _fact(self, occasion: Occasion, count: _Count) -> Message:
        number = new_id(self._clock.now())
        envelope = Envelope(
            id=number,
            source=f"/{GATEWAY}",
            type=occasion.kind,
            subject=number,
            time=count.last,
            tenant_id=occasion.tenant,
            aggregate_type="GatewayOccasion",
            sequence=1,
            schema_version=1,
            actor_id=occasion.user,
            correlation_id=number,
            origin=occasion.address,
            data={
                "code": occasion.code,
                "target": occasion.target,
                "count": count.open,
                "userAgent": occasion.agent,
                "firstAt": count.first.isoformat(),
                "lastAt": count.last.isoformat(),
            },
        )
        return Message(envelope.nats_subject, str(number), msgspec.json.encode(envelope))


def _occasion(kind: str, code: str, request: Request, principal: Principal | None) -> Occasion:
    return Occasion(
        kind,
        code,
        f"{request.method} {request.path}"[:_LONGEST],
        (principal.tenant if principal else None) or PLATFORM,
        principal.user if principal else None,
        request.peer or None,
        request.headers.get(b"user-agent", b"").decode("latin-1")[:_LONGEST] or None,
    )


def _code(body: bytes) -> str:
    """Return the code of identity's refusal."""
    try:
        return str(msgspec.json.decode(body, type=dict[str, Any])["errors"][0]["extensions"]["code"])
    except (KeyError, IndexError, TypeError, msgspec.MsgspecError):
        return BadRequest.code


def _who(body: bytes) -> Principal | None:
    """Return whose session identity's answer begins; it comes from identity itself, so its token is read, not verified."""
    try:
        token = msgspec.json.decode(body, type=dict[str, Any])["accessToken"]
        claims = jwt.decode(token, options={"verify_signature": False})
        return Principal(tenant=UUID(claims["tid"]), user=UUID(claims["sub"]))
    except (KeyError, ValueError, TypeError, msgspec.MsgspecError, jwt.InvalidTokenError):
        return None
