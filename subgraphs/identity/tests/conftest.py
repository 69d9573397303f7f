"""Identity as its tests meet it: tenants with people who have passwords, and the sign-in routes without a network."""

import functools
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import jwt
import msgspec
import orjson
import pytest
from argon2 import PasswordHasher
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.clock import SystemClock, new_id
from shared.database.engine import connect_app
from shared.module.http import HttpAnswer, HttpRequest
from shared.wire.bootstrap import ModuleBootstrap
from shared.wire.principal import Principal
from shared.wire.token import InternalToken, keys_of_jwks, verify_access
from subgraphs.identity.demo import DemoPerson, plant_tenant
from subgraphs.identity.sign_in.store import open_store
from subgraphs.identity.tenancy import NewTenant
from tests.modules import RunningModule, Starter
from tests.waiting import PATIENCE_S

PASSWORD = "a long and private one"
ISSUER = "https://mewayz.example"
_PEERS = ip_network("198.18.0.0/15").hosts()


@functools.cache
def _hashed(password: str) -> str:
    return PasswordHasher().hash(password)


@dataclass
class Company:
    """A tenant for one test; its people are called `<label>@<slug>.example`."""

    id: UUID
    slug: str

    def email(self, label: str = "owner") -> str:
        """Return a person's address."""
        return f"{label}@{self.slug}.example"


@dataclass
class Desk:
    """The sign-in desk."""

    running: RunningModule
    login: AsyncEngine
    issuer: str = ISSUER
    peer: str = field(default_factory=lambda: str(next(_PEERS)))  # failures are counted by it: each test has its own

    async def company(
        self,
        *others: tuple[str, str],
        operator: UUID | None = None,
        is_operator: bool = False,
        seats: int | None = None,
    ) -> Company:
        """Found a company with an owner and others, (label, role), who have PASSWORD and can sign in."""
        tenant = new_id(datetime.now(UTC))  # noqa: TID251 outside the platform
        company = Company(tenant, f"t-{tenant.hex[-12:]}")
        staff = [DemoPerson("owner", "Olga Owner", "Owner")]
        staff += [DemoPerson(label, label.title(), role) for label, role in others]
        new = NewTenant(
            id=tenant,
            name="Test",
            slug=company.slug,
            owner_email=company.email(),
            timezone="Asia/Shanghai",
            is_operator=is_operator,
            seats=seats,
        )
        await plant_tenant(self.running.database, new, staff, operator)
        for person in staff:
            await self.set_password(company.email(person.label), PASSWORD)
        return company

    async def set_password(self, email: str, password: str) -> None:
        """Give a person a password, as a reset would."""
        async with open_store(self.login, SystemClock().now()) as store:
            person = await store.person(email=email)
            assert person is not None
            await store.set_password(person.user_id, _hashed(password))

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        via: str = "router",
        peer: str = "",
        cookie: str = "",
        language: str = "",
        who: Principal | None = None,
    ) -> HttpAnswer:
        """Send a request to a route as the gateway does, for nobody unless it is said for whom."""
        request = HttpRequest(
            token=InternalToken(principal=who or Principal(tenant=None), via=via, deadline=time.time() + PATIENCE_S),
            path=path.partition("?")[0],
            query=path.partition("?")[2],
            headers={
                "x-forwarded-for": peer or self.peer,
                "user-agent": "test",
                "cookie": cookie,
                **({"accept-language": language} if language else {}),
            },
            body=b"" if body is None else orjson.dumps(body),
            database=self.running.database,
            clock=self.running.database.clock,
            bootstrap=msgspec.convert(
                {
                    **dict.fromkeys(("database_url", "relay_url", "nats_url", "nats_user", "nats_password"), ""),
                    "module": "identity",
                    "router_keys": {},
                    "issuer": self.issuer,
                },
                ModuleBootstrap,
            ),
            extras={"identity_login": self.login},
        )
        routes = self.running.module.routes
        found = routes.get((method, request.path)) or routes[method, "/auth/oidc/*"]
        return await found(request)

    async def post(self, path: str, **body: Any) -> HttpAnswer:
        """Post a JSON body."""
        return await self.send("POST", path, body)

    async def signed_in(self, company: Company, label: str = "owner") -> dict[str, Any]:
        """Sign a person in and return the answer."""
        answer = await self.post("/auth/login", email=company.email(label), password=PASSWORD, tenant=company.slug)
        assert answer.status == 200, answer
        return answer.body

    async def principal(self, company: Company, label: str = "owner") -> Principal:
        """Sign a person in and return who the gateway takes them for."""
        return await self.read(await self.signed_in(company, label))

    async def read(self, answer: dict[str, Any]) -> Principal:
        """Return who the gateway takes the holder of an answer's access token for."""
        keys = keys_of_jwks((await self.send("GET", "/.well-known/jwks.json")).body)
        return verify_access(answer["accessToken"], keys, clock=SystemClock())[0]

    def claims(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Return the claims of an answer's access token."""
        return jwt.decode(answer["accessToken"], options={"verify_signature": False})

    async def letter(self, email: str) -> str:
        """Return the secret of the last letter to an address."""
        async with self.login.begin() as connection:
            found = await connection.execute(
                text("select token from sign_in.letter where email = :email order by created_at desc, id desc limit 1"),
                {"email": email},
            )
            return found.scalar_one()


@pytest.fixture
async def desk(start_module: Starter) -> AsyncIterator[Desk]:
    """Identity, running, with the engine of its sign-in role."""
    running = await start_module("identity")
    login = connect_app(running.urls.extra_urls["identity_login"], "identity", pool_size=1)
    yield Desk(running, login)
    await login.dispose()


@pytest.fixture
async def company(desk: Desk) -> Company:
    """A company with an owner, a member and a viewer."""
    return await desk.company(("member", "Member"), ("viewer", "Viewer"))
