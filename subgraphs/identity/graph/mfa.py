"""Commands on one's own second factor (IDN-5).

It is the person's in all their tenants, so a session that one tenant's provider vouches for can't touch it: whoever owns
that provider could lock the person out of the others.
"""

from uuid import UUID

from shared.commands.command import command
from shared.database.transaction import Transaction
from shared.errors import IllegalState, NotFound, Refusal
from subgraphs.identity import models
from subgraphs.identity.second_factor import SecondFactor, of_caller
from subgraphs.identity.sign_in.limits import guesses


class WrongCode(Refusal):
    """The code is not the authenticator's of this moment, was used before, or is no recovery code."""

    code = "WRONG_CODE"
    field = ("code",)

    def __init__(self) -> None:
        """Say what would do."""
        super().__init__("This code is not accepted: wait for the next one, or use a recovery code.")


class TooManyCodes(Refusal):
    """Too many wrong codes: none counts for a while."""

    code = "TOO_MANY_ATTEMPTS"
    field = ("code",)

    def __init__(self, wait_s: int) -> None:
        """Say for how long, in seconds."""
        super().__init__("Too many wrong codes: try again in {wait_s} seconds.", wait_s=wait_s)


class VouchedSession(Refusal):
    """A tenant's own provider signed the person in, or the operator did, and not their password."""

    code = "PASSWORD_NEEDED"

    def __init__(self) -> None:
        """Say what would do."""
        super().__init__("Sign in with your password to change your second factor: it is for all your companies.")


@command("identity.mfa.manage")
async def enable_mfa(tx: Transaction) -> models.UserAccount:
    """Begin a second factor: the answer alone shows what the authenticator needs, and the recovery codes."""
    account = await _own_account(tx)
    factor = await of_caller(tx)
    if await factor.is_active():
        raise IllegalState("A second factor is in use already: disable it first.")
    shown = await factor.begin(account.email)
    account.show_once(uri=shown.uri, codes=shown.recovery_codes)
    return account


@command("identity.mfa.manage")
async def confirm_mfa(tx: Transaction, code: str) -> models.UserAccount:
    """Show by a first code that the authenticator works: from now on sign-in asks for one."""
    account, factor = await _own_account(tx), await of_caller(tx)
    _count(account.id)
    if not await factor.confirm(code):
        raise WrongCode
    return _noted(tx, account, enabled=True)


@command("identity.mfa.manage")
async def disable_mfa(tx: Transaction, code: str) -> models.UserAccount:
    """Ask for a password alone from now on; takes a code, so that a borrowed session can't do it."""
    account, factor = await _own_account(tx), await of_caller(tx)
    await _spend(factor, account.id, code)
    await factor.end()
    return _noted(tx, account, enabled=False)


@command("identity.mfa.manage")
async def renew_recovery_codes(tx: Transaction, code: str) -> models.UserAccount:
    """Show new recovery codes, once; the old ones are worth nothing."""
    account, factor = await _own_account(tx), await of_caller(tx)
    await _spend(factor, account.id, code)
    account.show_once(uri=None, codes=await factor.renew_recovery_codes())
    guesses().code_was_right(account.id)
    return account


async def _own_account(tx: Transaction) -> models.UserAccount:
    """Return the caller's account, which a program has none of. Raises VouchedSession."""
    user, session = tx.principal.user, tx.principal.session
    if user is None:
        raise NotFound("UserAccount", user)
    if session and await tx.first_where(models.Session, models.Session.id == session, models.Session.vouched):
        raise VouchedSession
    return await tx.get(models.UserAccount, user)


async def _spend(factor: SecondFactor, user_id: UUID, code: str) -> None:
    _count(user_id)
    if not await factor.spend(code):
        raise WrongCode


def _count(user_id: UUID) -> None:
    """Count a try before it is made, so that none slips through beside others."""
    if wait_s := guesses().code_locked_for_s(user_id):
        raise TooManyCodes(wait_s)


def _noted(tx: Transaction, account: models.UserAccount, *, enabled: bool) -> models.UserAccount:
    guesses().code_was_right(account.id)
    tx.publish(account.use_mfa(enabled))
    return account
