"""Secrets that are exchanged: their files, and a crash between any two steps (ADR 0024)."""

import stat
from pathlib import Path

import asyncpg
import pytest

from mewayz.passwords import QUEUED_S, Passwords
from mewayz.servers.databases import change_passwords, make_database
from mewayz.servers.module_database import ModuleDatabase, module_database
from shared.database.address import open_connection

_ROLES = ("kappa_app", "kappa_relay")


@pytest.mark.anyio
@pytest.mark.parametrize("steps", range(5))
async def test_a_crash_between_any_two_steps_leaves_every_process_a_way_in(
    postgres_admin_url: str, tmp_path: Path, steps: int
) -> None:
    passwords = Passwords(tmp_path)
    first = await make_database(postgres_admin_url, "kappa", passwords)
    told: list[ModuleDatabase] = [first]

    async def change() -> None:
        coming = {f"mewayz_{role}": passwords.successor(f"role-{role}") for role in _ROLES}
        await change_passwords([postgres_admin_url], {role: new for role, new in coming.items() if new})

    async def tell() -> None:
        told[:] = [module_database(postgres_admin_url, "kappa", passwords)]

    async def make() -> None:
        for role in _ROLES:
            passwords.make_successor(f"role-{role}")

    async def succeed(*roles: str) -> None:
        for role in roles:
            passwords.succeed(f"role-{role}")

    for step in (make, tell, change, lambda: succeed("kappa_app"))[:steps]:
        await step()
    # The supervisor is killed here. Processes have what they were told, and a new one has what the files say.
    newborn = module_database(postgres_admin_url, "kappa", Passwords(tmp_path))
    for process in (*told, newborn):
        for url in (process.app_url, process.relay_url):
            await _enter(process, url)

    # The next supervisor goes on where a successor shows that something was begun.
    assert (
        passwords.heirs("role-") == [[], [*_rolefiles()], [*_rolefiles()], [*_rolefiles()], ["role-kappa_relay"]][steps]
    )
    await change()
    await succeed(*_ROLES)

    now = module_database(postgres_admin_url, "kappa", passwords)
    assert now.successors == {}
    for before, url in ((first.app_url, now.app_url), (first.relay_url, now.relay_url)):
        await (await asyncpg.connect(url)).close()
        assert (before == url) is (steps == 0)
        if steps:
            with pytest.raises(asyncpg.InvalidPasswordError):
                await asyncpg.connect(before)
    assert _modes(tmp_path) == {0o600}


@pytest.mark.anyio
async def test_an_administrator_changes_his_own_password_last_and_may_be_cut_off_there(
    postgres_admin_url: str, tmp_path: Path
) -> None:
    await make_database(postgres_admin_url, "omikron", Passwords(tmp_path))
    deputy = await asyncpg.connect(postgres_admin_url)
    await deputy.execute("create role deputy login createrole password 'first'")
    await deputy.execute("grant mewayz_omikron_app to deputy with admin option")
    urls = [
        postgres_admin_url.replace("mewayz_admin:", "deputy:", 1).replace(_password(postgres_admin_url), one)
        for one in ("first", "second")
    ]

    for _ in range(2):  # the second time after a crash, and he is let in with the next one only
        await change_passwords(urls, {"deputy": "second", "mewayz_omikron_app": "third", "mewayz_gone_app": "fourth"})

    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(urls[0])
    await deputy.execute("revoke mewayz_omikron_app from deputy")
    await deputy.execute("drop role deputy")
    await deputy.close()


def test_the_key_before_is_remembered_for_as_long_as_a_command_may_wait(tmp_path: Path) -> None:
    passwords = Passwords(tmp_path)
    first = passwords.make_router_key()

    second = passwords.exchange_router_key(1_000.0)
    third = passwords.exchange_router_key(2_000.0)

    assert passwords.router_key() == third == passwords.make_router_key()
    assert [(one.kid, one.public, one.at) for one in third.former] == [
        (second.kid, second.public, 2_000.0),
        (first.kid, first.public, 1_000.0),
    ]
    later = passwords.exchange_router_key(1_000.0 + QUEUED_S)
    assert [one.kid for one in later.former] == [third.kid, second.kid]
    assert first.private not in (tmp_path / "router-signing-key").read_text()


def test_a_password_has_its_successor_until_that_takes_its_place(tmp_path: Path) -> None:
    passwords = Passwords(tmp_path)
    old = passwords.of("nats-crm")

    new = passwords.make_successor("nats-crm")

    assert passwords.make_successor("nats-crm") == new, "an exchange that was begun goes on"
    assert (passwords.of("nats-crm"), passwords.heirs("nats-")) == (old, ["nats-crm"])
    assert passwords.names("nats-") == ["nats-crm"]
    passwords.succeed("nats-crm")
    assert (passwords.of("nats-crm"), passwords.heirs("nats-")) == (new, [])
    passwords.succeed("nats-crm")  # nothing happens
    assert passwords.of("nats-crm") == new


async def _enter(process: ModuleDatabase, url: str) -> None:
    connection = await open_connection(lambda: [url, *filter(None, [process.successors.get(url)])])
    await connection.close()


def _modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def _rolefiles() -> list[str]:
    return [f"role-{role}" for role in _ROLES]


def _password(url: str) -> str:
    return url.partition(":")[2].partition(":")[2].partition("@")[0]
