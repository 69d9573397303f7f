"""What stories do and look at: the API as a client, the databases and the stream as an auditor."""

import time
from typing import Any
from uuid import UUID

import anyio
import asyncpg
import orjson

from mewayz.compose import SCHEMA
from mewayz.folders import folders_of
from mewayz.runtime.client import command
from mewayz.servers.streams import connect
from shared.clock import SystemClock, new_id
from shared.events.stream import call, listeners, state_of_stream
from shared.wire.control import GetBroker
from tests import waiting
from tests.services import Platform

CLOCK = "clock"  # in the data folder: seconds added to real time (MEWAYZ_CLOCK)
_PUBLISHED = orjson.loads((SCHEMA / "events.json").read_bytes())
MODULES = ("crm", "hr", "identity", "invoicing", "projects", "support")
_SWEPT = ("support.ticket", "support.sla_timer")  # each half a minute of itself: promises are broken as time goes by


class World:
    """A running platform."""

    def __init__(self, platform: Platform) -> None:
        """Look at `platform`."""
        self.platform = platform
        self._folders = folders_of(platform.data)
        self._tokens: dict[tuple[str, str | None], tuple[float, str]] = {}

    def token(self, tenant: str, user: str | None = None) -> str:
        """Return an access token, the same for five minutes."""
        made_at, token = self._tokens.get((tenant, user), (0.0, ""))
        if time.monotonic() - made_at > 300:
            token = self.platform.token(tenant, user)
            self._tokens[tenant, user] = time.monotonic(), token
        return token

    def forget_tokens(self) -> None:
        """Take new tokens from now on: those of a person whose rights were taken back no longer count."""
        self._tokens.clear()

    def ask(self, tenant: str, query: str, **variables: Any) -> dict[str, Any]:
        """Send an operation as the tenant's owner; return the whole answer."""
        return self.platform.graphql(query, variables, token=self.token(tenant))

    def command(self, tenant: str, name: str, selection: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a command as the tenant's owner and return its payload."""
        kind = name[0].upper() + name[1:] + "Input"
        query = (
            f"mutation($input: {kind}!) {{ {name}(input: $input) "
            f"{{ {selection} userErrors {{ code message field }} receipt {{ id status }} }} }}"
        )
        answer = self.ask(tenant, query, input=arguments)
        assert "errors" not in answer, answer
        return answer["data"][name]

    def do(self, tenant: str, name: str, selection: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a command that must succeed and return its row."""
        payload = self.command(tenant, name, selection, **arguments)
        assert payload["userErrors"] == [], payload
        return next(value for key, value in payload.items() if key not in ("userErrors", "receipt"))

    def rows(
        self, module: str, tenant: UUID | None, statement: str, *args: Any, role: str = "app"
    ) -> list[dict[str, Any]]:
        """Return rows of a module's database as one of its roles sees them in a tenant; None: in no tenant."""

        async def read() -> list[dict[str, Any]]:
            connection = await self._connect(module, role)
            try:
                if tenant is not None:
                    await connection.execute(f"set app.tenant_id = '{tenant}'")
                return [dict(row) for row in await connection.fetch(statement, *args)]
            finally:
                await connection.close()

        return anyio.run(read)

    def purge(self, tenant: UUID) -> None:
        """Take a tenant's events off the stream, as months do."""

        async def purge() -> None:
            client = await connect(self._nats_admin_url())
            await call(client, "STREAM.PURGE.EVENTS", {"filter": f"evt.{tenant}.>"})
            await client.close()

        anyio.run(purge)

    def counts(self, tenant: UUID) -> dict[str, Any]:
        """Return number and newest change of the tenant's rows in every table of every module (S7), of some the number alone.

        What was under way has arrived by then.
        """
        self.settle()
        found: dict[str, Any] = {}
        for module in MODULES:
            tables = self.rows(
                module,
                tenant,
                "select table_name as name from information_schema.columns where table_schema = $1 and column_name = 'updated_at'",
                module,
            )
            for table in tables:
                name = f"{module}.{table['name']}"
                told = "count(*)" if name in _SWEPT else "count(*), max(updated_at)"
                found[name] = self.rows(module, tenant, f"select {told} from {name} where tenant_id = $1", tenant)  # noqa: S608
        return found

    def move_clock(self, seconds: float) -> None:
        """Move the platform's business time on; it never goes back. Tokens of before may have run out."""
        clock = self.platform.data / CLOCK
        waiting.set_clock(clock, float(clock.read_text()) + seconds)
        self._tokens.clear()

    def events(self, tenant: UUID, event_type: str) -> list[dict[str, Any]]:
        """Return a tenant's events of a type from the stream, in order, once its module has sent all there are."""
        waits = "select 1 from kit.outbox where tenant_id = $1 and type = $2 limit 1"
        module = _PUBLISHED[event_type]["module"]
        waiting.until(lambda: not self.rows(module, None, waits, tenant, event_type, role="relay"))
        return self._messages(f"evt.{tenant}.{event_type}")

    def dead_letters(self, subject: str) -> list[dict[str, Any]]:
        """Return the notices of parked events on a subject, in order."""
        return self._messages(subject)

    def _messages(self, subject: str) -> list[dict[str, Any]]:
        async def read() -> list[dict[str, Any]]:
            async with await connect(self._nats_admin_url()) as client:
                return await waiting.messages(client, subject)

        return anyio.run(read)

    def publish(self, subject: str, message: dict[str, Any]) -> int:
        """Put a message on the stream, as nobody but the tests may. Return its place there."""

        async def send() -> int:
            async with await connect(self._nats_admin_url()) as client:
                return (await waiting.jetstream(client).publish(subject, orjson.dumps(message))).seq

        return anyio.run(send)

    def settle(self) -> None:
        """Wait until nothing is under way: no module has an event to send or to hear, and none came meanwhile.

        What has not happened by then, does not happen; what happened once, does not happen again.
        """
        waiting.until(lambda: anyio.run(self._is_settled))

    async def _is_settled(self) -> bool:
        async with await connect(self._nats_admin_url()) as client:
            before = (await state_of_stream(client)).last_sequence
            if any(listener.waiting for listener in await listeners(client)):
                return False
            for file in self._folders.secrets.glob("role-*_relay"):
                connection = await self._connect(file.name.removeprefix("role-").removesuffix("_relay"), "relay")
                try:
                    if await connection.fetchval("select exists (select from kit.outbox)"):
                        return False
                finally:
                    await connection.close()
            return (await state_of_stream(client)).last_sequence == before

    def has_heard(self, module: str, place: int) -> bool:
        """Return whether a module is done with the message of its own at a place on the stream, and all before it.

        What is pending doesn't tell: a consumer hears of a message only after who published it has the server's word.
        """
        return self.consumer(module)["ack_floor"]["stream_seq"] >= place

    def consumer(self, module: str, stream: str = "EVENTS") -> dict[str, Any]:
        """Return the state of a module's consumer on a stream."""

        async def read() -> dict[str, Any]:
            async with await connect(self._nats_admin_url()) as client:
                return await waiting.ask(client, f"CONSUMER.INFO.{stream}.{module}")

        return anyio.run(read)

    async def _connect(self, module: str, role: str) -> Any:
        name = f"{module}_{role}"
        return await asyncpg.connect(
            host=str(self._folders.postgres_socket),
            user=f"mewayz_{name}",
            password=(self._folders.secrets / f"role-{name}").read_text().strip(),
            database=f"mewayz_{module}",
            server_settings={"search_path": f"{module},kit"},
        )

    def _nats_admin_url(self) -> str:
        url = command(self._folders, GetBroker()).url
        assert url is not None
        return url


class F0:
    """The common fixture in one tenant: a customer, a salesperson with plan P1 (0 -> 5 %, 10 000 -> 8 %), tax 13 %."""

    def __init__(self, world: World, slug: str, currency: str) -> None:
        """Make them by the API, as the tenant's owner."""
        self.world = world
        self.slug = slug
        self.currency = currency
        self.tenant = UUID(self.ask("{ dashboard { id } }")["data"]["dashboard"]["id"])
        self.do("setDefaultTax", "taxDefault { id }", code="VAT13", ratePct="13", roundingRule="PER_LINE")
        self.customer = self.do("registerCustomer", "customer { id }", name="C-ACME", currency=currency)["id"]
        department = self.do("openDepartment", "department { id }", name=f"Sales {fresh_id()}")["id"]
        hired = {"fullName": "Bo", "departmentId": department, "hiredOn": "2026-01-01", "jobTitle": "Sales"}
        self.salesperson = self.do("hireEmployee", "employee { id }", **hired)["id"]
        tiers = [{"fromAmount": "0", "ratePct": "5"}, {"fromAmount": "10000", "ratePct": "8"}]
        plan = {"name": "P1", "currency": currency, "tiers": tiers, "validFrom": "2026-01-01"}
        self.plan = self.do("defineCommissionPlan", "commissionPlan { id }", **plan)["id"]
        assigned = {"employeeId": self.salesperson, "planId": self.plan, "validFrom": "2026-01-01"}
        self.do("assignCommissionPlan", "planAssignment { id }", **assigned)

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Send an operation as the tenant's owner."""
        return self.world.ask(self.slug, query, **variables)

    def command(self, name: str, selection: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a command and return its payload."""
        return self.world.command(self.slug, name, selection, **arguments)

    def do(self, name: str, selection: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a command that must succeed and return its row."""
        return self.world.do(self.slug, name, selection, **arguments)

    def rows(self, module: str, statement: str, *args: Any) -> list[dict[str, Any]]:
        """Return rows of the tenant in a module's database."""
        return self.world.rows(module, self.tenant, statement, *args)

    def open_deal(self, amount: str | None = "24000.00", **more: Any) -> str:
        """Open a deal of the fixture's customer and salesperson and return its id."""
        money = {"amount": amount, "currency": self.currency} if amount else None
        deal = {"customerId": self.customer, "title": "D1", "amount": money, "salespersonId": self.salesperson, **more}
        return self.do("openDeal", "deal { id }", **deal)["id"]

    def win(self, deal: str, **more: Any) -> dict[str, Any]:
        """Win a deal on 2026-03-10 and return the payload."""
        return self.command("closeDealWon", "deal { id status }", dealId=deal, closedOn="2026-03-10", **more)

    def invoices(self, deal: str) -> list[dict[str, Any]]:
        """Return all of a deal's invoices, discarded ones too."""
        return self.rows("invoicing", "select * from invoice where deal_id = $1 order by source_key", UUID(deal))

    def drafts(self, deal: str) -> list[dict[str, Any]]:
        """Return a deal's live drafts."""
        return [row for row in self.invoices(deal) if row["status"] == "DRAFT"]

    def commissions(self, deal: str) -> list[dict[str, Any]]:
        """Return a deal's commission entries."""
        return self.rows("hr", "select * from commission_entry where deal_id = $1 order by source_key", UUID(deal))

    def live_commissions(self, deal: str) -> list[dict[str, Any]]:
        """Return a deal's commission entries that count."""
        return [row for row in self.commissions(deal) if row["status"] != "REVERSED"]

    def envelope(self, deal: str, event_type: str = "deal.close.won") -> dict[str, Any]:
        """Return the one event of a type about a deal."""
        (event,) = [one for one in self.world.events(self.tenant, event_type) if one["subject"] == deal]
        return event


def fresh_id() -> str:
    """Return an id that nothing has."""
    return str(new_id(SystemClock().now()))
