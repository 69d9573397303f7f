"""What a module makes of a command that waited: executed as the request it would have been, once, or refused with a reason."""

import time
from datetime import timedelta

import msgspec
import pytest

from shared.clock import SystemClock, new_id
from shared.hosting.activity import Activity
from shared.hosting.queued import QueuedCommands
from shared.wire.principal import Principal
from shared.wire.receipt import QueuedCommand, Settled, Status
from shared.wire.token import SigningKey, sign_internal
from tests.modules import RunningModule, until
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
REGISTER = "mutation($input: RegisterCustomerInput!) { registerCustomer(input: $input) { userErrors { code message field } receipt { id status } } }"


class Queue:
    """Executes commands of one caller on CRM as its queue does."""

    def __init__(self, crm: RunningModule, caller: Principal) -> None:
        self._key, self._clock, self._caller = SigningKey.generate(), SystemClock(), caller
        keys = {self._key.kid: self._key.public}
        self._execute = QueuedCommands(crm.documents, crm.database, self._clock, keys, Activity())

    def command(self, name: str) -> QueuedCommand:
        """Return a command that waits: register a customer."""
        now = self._clock.now()
        assert self._caller.tenant is not None
        assert self._caller.user is not None
        return QueuedCommand(
            receipt=new_id(now),
            tenant=self._caller.tenant,
            module="crm",
            command="registerCustomer",
            operation=REGISTER,
            variables={"input": {"name": name, "currency": "CNY"}},
            input_hash="",
            actor="",
            user=self._caller.user,
            queued_at=now,
            expires_at=now + timedelta(hours=1),
        )

    async def execute(self, command: QueuedCommand, permissions: tuple[str, ...] = ("*",)) -> Settled:
        """Execute a command with the caller's rights, or fewer."""
        body = msgspec.json.encode(command)
        deadline = time.time() + PATIENCE_S
        caller = msgspec.structs.replace(self._caller, permissions=permissions)
        signed = sign_internal(
            self._key, caller, audience="crm", body=body, deadline=deadline, via="router", clock=self._clock
        )
        return await self._execute(command, body, signed)


async def suspend(crm: RunningModule, who: Principal) -> None:
    """Have the tenant suspended, and wait until CRM has heard of it."""
    assert who.tenant is not None
    await crm.publish(who.tenant, "tenant.suspended", "Tenant", who.tenant, 2, {"tenantId": str(who.tenant)})

    async def is_known() -> bool:
        return [row["state"] for row in await crm.rows(who.tenant, "select state from kit.tenant")] == ["SUSPENDED"]

    await until(is_known)


async def test_a_command_of_a_suspended_tenant_is_rejected_and_not_executed(crm: RunningModule) -> None:
    """IDN-7; docs/commands.md: REJECTED, not FAILED"""
    owner = await crm.new_tenant()
    await suspend(crm, owner)
    queue = Queue(crm, owner)

    settled = await queue.execute(queue.command("Too late"))

    assert settled.status is Status.REJECTED
    assert [reason.code for reason in settled.reasons] == ["TENANT_SUSPENDED"]
    assert await crm.rows(owner.tenant, "select name from customer") == []


async def test_what_was_executed_before_the_suspension_is_done_also_when_it_is_delivered_again(
    crm: RunningModule,
) -> None:
    """its receipt said that nothing had happened: the module had died between the commit and the receipt"""
    owner = await crm.new_tenant()
    queue = Queue(crm, owner)
    command = queue.command("In time")
    first = await queue.execute(command)
    await suspend(crm, owner)

    again = await queue.execute(command)

    assert (first.status, again.status) == (Status.DONE, Status.DONE)
    assert [row["name"] for row in await crm.rows(owner.tenant, "select name from customer")] == ["In time"]


async def test_what_was_executed_before_the_rights_ended_is_done_also_when_it_is_delivered_again(
    crm: RunningModule,
) -> None:
    """its receipt was REJECTED, and the customer was there"""
    owner = await crm.new_tenant()
    queue = Queue(crm, owner)
    command = queue.command("In time")
    first = await queue.execute(command)

    again = await queue.execute(command, permissions=())
    other = await queue.execute(queue.command("Too late"), permissions=())

    assert (first.status, again.status, other.status) == (Status.DONE, Status.DONE, Status.REJECTED)
    assert [reason.code for reason in other.reasons] == ["FORBIDDEN"]
    assert [row["name"] for row in await crm.rows(owner.tenant, "select name from customer")] == ["In time"]
