"""The module's own list of tenants, fed by identity's events (contracts.md, "Databases")."""

import asyncio
from functools import partial
from uuid import UUID

import asyncpg
import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from shared.events.lease import Lease
from shared.wire.envelope import Envelope
from shared.wire.jetstream import TENANTS, pull, waiting

log = structlog.get_logger()
_decode = msgspec.json.Decoder(Envelope).decode

_CREATED = """
    insert into kit.tenant (tenant_id, slug, name, time_zone, base_currency, locale, region, state)
    values ($1, $2, $3, $4, $5, $6, $7, 'ACTIVE')
    on conflict (tenant_id) do update set
        slug = $2, name = $3, time_zone = $4, base_currency = $5, locale = $6, region = $7
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
    region: str | None = None


class TenantFeed:
    """Keeps `kit.tenant` in step with stream TENANTS."""

    def __init__(self, client: Client) -> None:
        """Read by `client`."""
        self._client = client
        self.caught_up = asyncio.Event()

    async def run(self, lease: Lease) -> None:
        """Feed until cancelled; `caught_up` is set once all tenants known today have been read.

        Raises StreamLost, or PublishFailed where NATS doesn't answer.
        """
        if not await waiting(self._client, TENANTS, lease.consumer):
            self.caught_up.set()
        await pull(self._client, TENANTS, lease.consumer, partial(self._take, lease))

    async def _take(self, lease: Lease, message: Msg) -> None:
        await _store(lease, message)
        await message.ack()
        if message.metadata.num_pending == 0:
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
