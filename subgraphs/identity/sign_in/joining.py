"""Coming to a password: by accepting an invitation, or by a reset."""

from dataclasses import dataclass, replace
from uuid import UUID

from shared.database.transaction import Database
from shared.wire.principal import Principal
from subgraphs.identity.models import TenantMembership, UserAccount, UserAccountStatus
from subgraphs.identity.sign_in import passwords
from subgraphs.identity.sign_in.limits import guesses
from subgraphs.identity.sign_in.store import Family, Person, Refused, Store


@dataclass(frozen=True, slots=True)
class Joined:
    """A person who accepted an invitation to a tenant."""

    person: Person
    tenant_id: UUID


async def accept(store: Store, database: Database, token: str, password: str, peer: str) -> Joined | None:
    """Let the invited person in; None for a token that is not good.

    A person without password chooses one now. One who has a password must give it: an invitation alone, which goes to an
    address, must not open what the person has in other tenants. Raises WeakPassword, and Refused for a wrong password or
    an invitation taken back; the token stays good.
    """
    used = await store.use_once(token, "invitation")
    person = await store.person(user_id=used[0]) if used else None
    if used is None or person is None or used[1] is None:
        return None
    if person.password_hash is None:
        passwords.must_be_strong(password, person.email)
        chosen = await passwords.hashed(password)
        await store.set_password(person.user_id, chosen)
        person = replace(person, password_hash=chosen)
    else:
        with guesses().attempt(person.email, peer) as wait_s:
            if wait_s:
                raise Refused
            if not await passwords.is_right(password, person.password_hash):
                guesses().failed(person.email, peer)
                raise Refused
    await _activate(database, used[1], person.user_id)
    return Joined(person, used[1])


async def confirm_reset(store: Store, token: str, password: str) -> tuple[UUID, list[Family]] | None:
    """Set a new password by a letter's token; return whose, and the sessions, which all end. None for a token that is not good.

    What the old password began ends with it: other letters, and sign-ins that have yet to show a code.

    Raises WeakPassword; the token stays good.
    """
    used = await store.use_once(token, "reset")
    person = await store.person(user_id=used[0]) if used else None
    if person is None:
        return None
    passwords.must_be_strong(password, person.email)
    await store.set_password(person.user_id, await passwords.hashed(password))
    guesses().succeeded(person.email)
    await store.void_tokens(person.user_id)
    return person.user_id, await store.end_families(person.user_id)


async def _activate(database: Database, tenant_id: UUID, user_id: UUID) -> None:
    async with database.transaction(Principal(tenant=tenant_id, user=user_id)) as tx:
        account = await tx.follow(UserAccount, user_id)
        membership = await tx.first_where(TenantMembership, TenantMembership.user_account_id == user_id, lock=True)
        if account.status is UserAccountStatus.ACTIVE:
            return  # accepted already, and the answer was lost
        if account.status is not UserAccountStatus.INVITED or membership is None:
            raise Refused
        tx.publish(account.activate())
        membership.joined_at = tx.now()
