"""The module's own list of tenants, fed by identity's events (contracts.md, "Databases")."""

import asyncio
from uuid import UUID

import asyncpg
import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from shared.events.lease import Lease
from shared.wire.envelope import Envelope
from shared.wire.jetstream import TENANTS, Continuity, pulling, stop_if_cancelled

log = structlog.get_logger()
_FETCH_S = 5.0
_QUIET_S = 0.2
_decode = msgspec.json.Decoder(Envelope).decode

_CREATED = """
    insert into kit.tenant (tenant_id, slug, name, time_zone, base_currency, locale, state)
    values ($1, $2, $3, $4, $5, $6, 'ACTIVE')
    on conflict (tenant_id) do update set slug = $2, name = $3, time_zone = $4, base_currency = $5, locale = $6
"""
_STATE = "update kit.tenant set state = $2 where tenant_id = $1"
_STATES = {"tenant.suspended": "SUSPENDED", "tenant.reactivated": "ACTIVE", "tenant.closed": "CLOSED"}


class _Created(msgspec.Struct, frozen=True, rename="camel"):
    """What a module keeps of `tenant.created`, in the order of the statement."""

    slug_name: str
    name: str
    timezone: str
    base_currency: str
    default_locale: str


class TenantFeed:
    """Keeps `kit.tenant` in step with stream TENANTS."""

    def __init__(self, client: Client) -> None:
        """Read by `client`."""
        self._client = client
        self.caught_up = asyncio.Event()

    async def run(self, lease: Lease) -> None:
        """Feed until cancelled; `caught_up` is set once all tenants known today have been read. Raises StreamLost."""
        async with pulling(self._client, TENANTS, lease.consumer, "tenants") as subscription:
            continuity = Continuity(self._client)
            while True:
                stop_if_cancelled()
                try:
                    messages = await subscription.fetch(64, timeout=_FETCH_S if self.caught_up.is_set() else _QUIET_S)
                except (NatsError, TimeoutError) as error:
                    if isinstance(error, TimeoutError):
                        self.caught_up.set()  # nothing is waiting
                    else:
                        log.warning("tenants_unread", module=lease.consumer, error=str(error) or type(error).__name__)
                        await asyncio.sleep(0.5)
                    continue
                continuity.check()
                for message in messages:
                    await _store(lease, message)
                    await message.ack()
                if not messages or messages[-1].metadata.num_pending == 0:  # a fetch may come back empty
                    self.caught_up.set()


async def _store(lease: Lease, message: Msg) -> None:
    """Keep what a message says; one that can't be kept is logged, and holds up nobody: all modules read it."""
    try:
        envelope = _decode(message.data)
        tenant: UUID = envelope.tenant_id
        if envelope.type == "tenant.created":
            facts = msgspec.convert(envelope.data, _Created)
            await lease.execute(_CREATED, tenant, *msgspec.structs.astuple(facts))
        elif envelope.type in _STATES:
            await lease.execute(_STATE, tenant, _STATES[envelope.type])
    except (msgspec.MsgspecError, asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        log.error("tenant_event_malformed", module=lease.consumer, subject=message.subject, error=str(error))
