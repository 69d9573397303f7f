"""What sign-in keeps and finds outside tenancy, through the database role that alone may (contracts.md, "Sign-in")."""

import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.clock import new_id
from subgraphs.identity.second_factor import SecondFactor

FAMILY_LIFE = timedelta(days=30)
RESET_LIFE = timedelta(hours=1)
MFA_LIFE = timedelta(minutes=5)
FLOW_LIFE = timedelta(minutes=10)

_PERSON = text("""
    select l.user_id, l.email, l.last_tenant_id, c.password_hash
    from sign_in.login l left join sign_in.credential c on c.user_id = l.user_id
    where l.email = :email or l.user_id = :user_id
""")
_PLACES = text("""
    select t.id, t.slug_name as slug, t.name
    from identity.tenant_membership m
    join identity.user_account u on u.tenant_id = m.tenant_id and u.id = m.user_account_id and u.status = 'ACTIVE'
    join identity.tenant t on t.tenant_id = m.tenant_id
    where m.user_account_id = :user_id and m.status = 'ACTIVE'
    order by t.slug_name
""")
_OWNER = text("""
    select m.user_account_id
    from identity.tenant t
    join identity.tenant_membership m on m.tenant_id = t.tenant_id and m.is_owner and m.status = 'ACTIVE'
    join identity.user_account u on u.tenant_id = m.tenant_id and u.id = m.user_account_id and u.status = 'ACTIVE'
    where t.slug_name = :tenant or t.id::text = :tenant
    order by m.joined_at limit 1
""")
_SET_PASSWORD = text("""
    insert into sign_in.credential (user_id, password_hash, changed_at) values (:user_id, :hash, :now)
    on conflict (user_id) do update set password_hash = :hash, changed_at = :now
""")
_PASSWORD = text("select password_hash from sign_in.credential where user_id = :user_id for share")
_RENEW_PASSWORD = text("""
    update sign_in.credential set password_hash = :hash, changed_at = :now
    where user_id = :user_id and password_hash = :before returning user_id
""")
_SPEND = text(
    "update sign_in.refresh_token set used_at = :now where hash = :hash and used_at is null returning family_id"
)
_FAMILY_OF = text("select family_id from sign_in.refresh_token where hash = :hash")
_LIVE_FAMILY = text("""
    select id, user_id, tenant_id, expires_at, vouched from sign_in.refresh_family
    where id = :id and ended_at is null and expires_at > :now
""")
_END_FAMILY = text("""
    update sign_in.refresh_family set ended_at = :now where id = :id and ended_at is null returning tenant_id, user_id
""")
_END_FAMILIES = text("""
    update sign_in.refresh_family set ended_at = :now where user_id = :user_id and ended_at is null
    returning id, tenant_id, user_id
""")
_NEW_FAMILY = text("""
    insert into sign_in.refresh_family (id, user_id, tenant_id, expires_at, vouched)
    values (:id, :user_id, :tenant_id, :expires_at, :vouched)
""")
_USE_ONCE = text("""
    update sign_in.one_time_token set used_at = :now
    where hash = :hash and purpose = :purpose and used_at is null and expires_at > :now returning user_id, tenant_id
""")
_VOID_ONCE = text("""
    update sign_in.one_time_token set used_at = :now
    where user_id = :user_id and purpose in ('reset', 'mfa') and used_at is null
""")
_NEW_ONCE = text("""
    insert into sign_in.one_time_token (hash, purpose, user_id, tenant_id, expires_at)
    values (:hash, :purpose, :user_id, :tenant_id, :expires_at)
""")
_NEW_LETTER = text("""
    insert into sign_in.letter (id, email, purpose, token, created_at) values (:id, :email, :purpose, :token, :now)
""")
_TENANT = text("select id from identity.tenant where slug_name = :tenant or id::text = :tenant")
_ORIGINS = text("""
    select id as tenant_id, allowed_origins as origins from identity.tenant
    where allowed_origins <> '[]' and status <> 'CLOSED'
""")
_NEW_FLOW = text("""
    insert into sign_in.oidc_flow (state_hash, tenant_id, nonce, verifier, browser_hash, return_to, expires_at)
    values (:state_hash, :tenant_id, :nonce, :verifier, :browser_hash, :return_to, :expires_at)
""")
_TAKE_FLOW = text("""
    delete from sign_in.oidc_flow where state_hash = :state_hash and expires_at > :now
    returning tenant_id, nonce, verifier, browser_hash, return_to
""")


class Refused(Exception):
    """Leaves a transaction of sign-in so that nothing of it holds: a token that was used up is good again."""


@dataclass(frozen=True, slots=True)
class Person:
    """Someone the platform knows by their address; without `password_hash` they never chose a password."""

    user_id: UUID
    email: str
    last_tenant_id: UUID | None
    password_hash: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """A tenant in which a person is an active member."""

    id: UUID
    slug: str
    name: str

    def is_named(self, wanted: str) -> bool:
        """Tell whether `wanted` is its slug or id."""
        return wanted in (self.slug, str(self.id))


@dataclass(frozen=True, slots=True)
class Family:
    """One sign-in through all its refreshes; its id is the session's (`sid`).

    `vouched`: the tenant's own provider, or the operator of the machine, answers for the person; it stays in its tenant.
    """

    id: UUID
    user_id: UUID
    tenant_id: UUID
    expires_at: datetime
    vouched: bool = False


@dataclass(frozen=True, slots=True)
class Flow:
    """A sign-in that went to a provider and has yet to come back, to the same browser."""

    tenant_id: UUID
    nonce: str
    verifier: str
    browser_hash: bytes
    return_to: str | None


class Store:
    """One transaction of sign-in's own role."""

    def __init__(self, connection: AsyncConnection, now: datetime) -> None:
        """Made by `open_store`."""
        self._connection = connection
        self._now = now

    async def person(self, *, email: str | None = None, user_id: UUID | None = None) -> Person | None:
        """Return a person by address or id."""
        row = await self._first(_PERSON, email=email, user_id=user_id)
        return Person(row.user_id, row.email, row.last_tenant_id, row.password_hash) if row else None

    async def places(self, user_id: UUID) -> list[Place]:
        """Return the tenants a person may choose from, by slug."""
        rows = await self._connection.execute(_PLACES, {"user_id": user_id})
        return [Place(row.id, row.slug, row.name) for row in rows]

    async def owner_of(self, tenant: str) -> UUID | None:
        """Return the first owner of the tenant with this slug or id."""
        row = await self._first(_OWNER, tenant=tenant)
        return row.user_account_id if row else None

    async def set_password(self, user_id: UUID, password_hash: str) -> None:
        """Give a person a password."""
        await self._run(_SET_PASSWORD, user_id=user_id, hash=password_hash)

    async def renew_hash(self, person: Person, password_hash: str) -> Person:
        """Keep a stronger hash of a person's password, unless it was replaced meanwhile; return the person as they are then."""
        row = await self._first(
            _RENEW_PASSWORD, user_id=person.user_id, hash=password_hash, before=person.password_hash
        )
        return replace(person, password_hash=password_hash) if row else person

    async def still_has(self, person: Person) -> bool:
        """Tell whether a person's password is what it was when it was checked; it is until this transaction ends."""
        row = await self._first(_PASSWORD, user_id=person.user_id)
        return (row.password_hash if row else None) == person.password_hash

    def second_factor(self, user_id: UUID) -> SecondFactor:
        """Return a person's second factor."""
        return SecondFactor(self._connection, user_id, self._now)

    async def begin_family(self, user_id: UUID, tenant_id: UUID, *, vouched: bool = False) -> tuple[Family, str]:
        """Begin a session; return it with its first refresh token."""
        family = Family(new_id(self._now), user_id, tenant_id, self._now + FAMILY_LIFE, vouched)
        await self._run(_NEW_FAMILY, **asdict(family))
        if not vouched:  # else a tenant could choose where people land who have another one, too
            await self.choose(user_id, tenant_id)
        return family, await self.next_token(family)

    async def next_token(self, family: Family) -> str:
        """Return the refresh token that continues a session."""
        token = secrets.token_urlsafe(32)
        await self._run(
            text("insert into sign_in.refresh_token (hash, family_id) values (:hash, :id)"),
            hash=_hash(token),
            id=family.id,
        )
        return token

    async def spend(self, token: str) -> Family | None:
        """Use a refresh token up and return its live session; None for one that is unknown, spent or ended."""
        row = await self._first(_SPEND, hash=_hash(token))
        found = await self._first(_LIVE_FAMILY, id=row.family_id) if row else None
        return Family(found.id, found.user_id, found.tenant_id, found.expires_at, found.vouched) if found else None

    async def end_family_of(self, token: str) -> Family | None:
        """End the session that a token, spent or not, belongs to; return it where it was still alive (IDN-2)."""
        row = await self._first(_FAMILY_OF, hash=_hash(token))
        return await self.end_family(row.family_id) if row else None

    async def end_family(self, family_id: UUID) -> Family | None:
        """End a session; return it where it was still alive."""
        row = await self._first(_END_FAMILY, id=family_id)
        return Family(family_id, row.user_id, row.tenant_id, self._now) if row else None

    async def end_families(self, user_id: UUID) -> list[Family]:
        """End all sessions of a person; return those that were alive."""
        rows = await self._run(_END_FAMILIES, user_id=user_id)
        return [Family(row.id, row.user_id, row.tenant_id, self._now) for row in rows]

    async def move_family(self, family: Family, tenant_id: UUID) -> Family:
        """Let a session go on in another tenant, and return it as it is there."""
        await self._run(
            text("update sign_in.refresh_family set tenant_id = :tenant_id where id = :id"),
            id=family.id,
            tenant_id=tenant_id,
        )
        await self.choose(family.user_id, tenant_id)
        return replace(family, tenant_id=tenant_id)

    async def choose(self, user_id: UUID, tenant_id: UUID) -> None:
        """Note the tenant that a person used last."""
        await self._run(
            text("update sign_in.login set last_tenant_id = :tenant_id where user_id = :user_id"),
            user_id=user_id,
            tenant_id=tenant_id,
        )

    async def use_once(self, token: str, purpose: str) -> tuple[UUID, UUID | None] | None:
        """Use a one-time token up; return its person and tenant, None for one that is not good any more."""
        row = await self._first(_USE_ONCE, hash=_hash(token), purpose=purpose)
        return (row.user_id, row.tenant_id) if row else None

    async def void_tokens(self, user_id: UUID) -> None:
        """Let no letter for a new password count any more, and no sign-in that has yet to show its code."""
        await self._run(_VOID_ONCE, user_id=user_id)

    async def offer_reset(self, person: Person) -> None:
        """Leave a letter with a one-time token that lets a person choose a new password."""
        token = await self._new_once("reset", person.user_id, None, RESET_LIFE)
        await self._run(_NEW_LETTER, id=new_id(self._now), email=person.email, purpose="reset", token=token)

    async def offer_code(self, user_id: UUID, tenant_id: UUID | None) -> str:
        """Return the token that says: this person gave their password, and wants to this tenant; a code is to come."""
        return await self._new_once("mfa", user_id, tenant_id, MFA_LIFE)

    async def tenant_named(self, tenant: str) -> UUID | None:
        """Return the id of the tenant with this slug or id."""
        row = await self._first(_TENANT, tenant=tenant)
        return row.id if row else None

    async def keep_flow(self, state: str, flow: Flow) -> None:
        """Remember a sign-in that goes to a provider, for ten minutes."""
        await self._run(_NEW_FLOW, state_hash=_hash(state), expires_at=self._now + FLOW_LIFE, **asdict(flow))

    async def take_flow(self, state: str) -> Flow | None:
        """Return the sign-in that comes back, once."""
        row = await self._first(_TAKE_FLOW, state_hash=_hash(state))
        return Flow(row.tenant_id, row.nonce, row.verifier, row.browser_hash, row.return_to) if row else None

    async def revocations(self, since: datetime) -> list[dict[str, Any]]:
        """Return what access tokens don't count since then, and forget what is older."""
        await self._run(text("delete from sign_in.revocation where at < :since"), since=since)
        rows = await self._run(text("select tenant_id, subject_id, is_final, at from sign_in.revocation"))
        return [dict(row) for row in rows.mappings()]

    async def origins(self) -> list[dict[str, Any]]:
        """Return the pages of each tenant that may be worked in."""
        rows = await self._run(_ORIGINS)
        return [dict(row) for row in rows.mappings()]

    async def letters(self) -> list[dict[str, Any]]:
        """Return the letters that wait to be sent."""
        rows = await self._connection.execute(
            text(
                "select email, purpose, token, created_at from sign_in.letter where sent_at is null order by created_at"
            )
        )
        return [dict(row) for row in rows.mappings()]

    async def _new_once(self, purpose: str, user_id: UUID, tenant_id: UUID | None, life: timedelta) -> str:
        token, expires_at = secrets.token_urlsafe(32), self._now + life
        values = {"purpose": purpose, "user_id": user_id, "tenant_id": tenant_id, "expires_at": expires_at}
        await self._run(_NEW_ONCE, hash=_hash(token), **values)
        return token

    async def _first(self, statement: Any, **values: Any) -> Any:
        return (await self._run(statement, **values)).first()

    async def _run(self, statement: Any, **values: Any) -> Any:
        return await self._connection.execute(statement, {"now": self._now, **values})


@asynccontextmanager
async def open_store(engine: AsyncEngine, now: datetime) -> AsyncIterator[Store]:
    """Open a transaction of sign-in's own role; it commits at the end, or leaves nothing when an error passes."""
    async with engine.begin() as connection:
        yield Store(connection, now)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
